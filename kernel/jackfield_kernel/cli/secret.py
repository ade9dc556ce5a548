"""`jackfield secret`: tokens and passwords, kept sealed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from jackfield.v1 import admin_state_pb2

from .client import admin
from .failure import UsageFailure
from .lazy import new_app
from .options import Data, Json, Yes, confirm
from .show import clock, print_json, print_table, say

app = new_app("Keep tokens and passwords sealed, and name them in the configuration.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the secret.")]
COLUMNS = ("secret", "set", "used by")


@app.command("set", epilog="Example: jackfield secret set support-token < token.txt")
def set_secret(name: Name, data: Data = None, json: Json = False) -> None:
    """Set a secret or replace it, from standard input or a prompt: never from the command line, which others can read.

    The end of the last line is left out. Configuration refers to it as `{secret: NAME}` under keys that a manifest marks
    `secret`; plugins and bots that do get the new value at once.
    """
    value = _value(name)
    with admin(data) as stub:
        answer = stub.SetSecret(admin_state_pb2.SetSecretRequest(name=name, value=value))
    if json:
        print_json(answer)
        return
    if answer.used_by:
        say(f"Set {name}; {', '.join(answer.used_by)} got it.")
    else:
        say(f"Set {name}. Nothing uses it yet: write {{secret: {name}}} where a configuration asks for it.")


@app.command("list", epilog="Example: jackfield secret list --json")
def list_secrets(data: Data = None, json: Json = False) -> None:
    """List secrets with who uses them. Values are never shown."""
    with admin(data) as stub:
        response = stub.ListSecrets(admin_state_pb2.ListSecretsRequest())
    if json:
        print_json(response)
        return
    rows = ((one.name, clock(one.set_time), ", ".join(one.used_by)) for one in response.secrets)
    print_table(COLUMNS, rows, empty="No secrets. Set one: jackfield secret set --help")


@app.command(epilog="Example: jackfield secret remove support-token --yes")
def remove(name: Name, data: Data = None, json: Json = False, yes: Yes = False) -> None:
    """Remove a secret. Whoever refers to it fails until it is set again."""
    confirm(f"Remove the secret {name}?", yes=yes)
    with admin(data) as stub:
        answer = stub.RemoveSecret(admin_state_pb2.RemoveSecretRequest(name=name))
    if json:
        print_json(answer)
        return
    say(f"Removed {name}." + (f" {', '.join(answer.used_by)} lack it now." if answer.used_by else ""))


@app.command("rotate-key", epilog="Example: jackfield secret rotate-key --yes")
def rotate_key(data: Data = None, json: Json = False, yes: Yes = False) -> None:
    """Make a new key and seal every secret with it. Backups made before still need the key as it was."""
    confirm("Make a new key? Backups made before need the old one: keep a copy of it.", yes=yes)
    with admin(data) as stub:
        answer = stub.RotateSecretKey(admin_state_pb2.RotateSecretKeyRequest())
    if json:
        print_json(answer)
    else:
        say(f"Sealed {answer.secrets} secrets with a new key: {answer.key_path}. Keep a copy of it apart.")


def _value(name: str) -> str:
    if sys.stdin.isatty():
        value: str = typer.prompt(f"Value of {name}", hide_input=True, confirmation_prompt=True)
        return value
    try:
        text = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError as error:
        raise UsageFailure("The value is not UTF-8 text.", "Encode it, for instance with base64.") from error
    value = text.removesuffix("\n").removesuffix("\r")
    if not value:
        raise UsageFailure("Standard input is empty.", f"For instance: jackfield secret set {name} < FILE")
    return value
