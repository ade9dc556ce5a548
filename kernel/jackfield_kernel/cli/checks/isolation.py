"""Whether plugins of strangers can be kept in a sandbox here."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from ...manifest import Limits
from ...supervisor import IsolationUnavailable, LaunchSpec
from ...supervisor.isolated import give_home, probe, user_of
from .finding import Finding, Surroundings


def isolation(around: Surroundings) -> Iterator[Finding]:
    """Start one that does nothing."""
    with TemporaryDirectory() as name:
        root = Path(name)
        places = {part: root / part for part in ("home", "socket", "hidden")}
        for place in places.values():
            place.mkdir(mode=0o711)
        bootstrap = places["hidden"] / "NAME.json"
        bootstrap.touch()
        spec = LaunchSpec(
            "NAME",
            (sys.executable,),
            {},
            places["home"],
            root / "log",
            bootstrap,
            Limits(),
            f"unix:{places['socket']}/s",
        )
        if os.getuid() == 0:
            give_home(spec.cwd, user_of(spec))
        try:
            probe(spec, (places["hidden"],))
        except IsolationUnavailable as error:
            yield Finding(
                "isolation", "warn", f"plugins of strangers do not start: {error.message}", error.remedy
            )
        else:
            yield Finding("isolation", "ok", "plugins of strangers run in a sandbox")
