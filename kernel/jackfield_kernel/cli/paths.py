"""`jackfield paths`."""

from __future__ import annotations

import os

from ..config import data_directory
from ..paths import DataPaths, runtime_paths
from ..state.credentials import credentials_path
from .lazy import new_app
from .options import Data, Json
from .place import config_file
from .show import print_facts, print_plain_json

app = new_app()


@app.command(epilog="Example: cd $(jackfield paths --json | jq -r .data)")
def paths(data: Data = None, json: Json = False) -> None:
    """Show where everything is kept. Works without a running kernel."""
    root = data_directory(data, os.environ)
    places, runtime = DataPaths(root), runtime_paths(root, os.environ)
    found = {
        "data": str(root),
        "config": str(config_file(None, root, os.environ) or root / "jackfield.yaml (not there)"),
        "journal": str(places.journal),
        "blobs": str(places.blobs),
        "secret_key": str(places.secret_key),
        "credentials": str(credentials_path()),
        "logs": str(places.plugin_log("PLUGIN")),
        "plugin_homes": str(places.plugin_home("PLUGIN")),
        "runtime": str(runtime.root),
        "admin_socket": str(runtime.admin_socket),
    }
    if json:
        print_plain_json(found)
    else:
        print_facts(found.items())
