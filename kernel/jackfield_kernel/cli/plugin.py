"""`jackfield plugin`: what is installed, what it may do, and how it is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from jackfield.v1 import admin_pb2
from jackfield.v1.admin_pb2_grpc import AdminStub

from .client import admin
from .lazy import new_app
from .options import Data, Json, Yes, confirm
from .show import (
    print_facts,
    print_json,
    print_json_line,
    print_plain_json,
    print_table,
    said,
    say,
    say_now,
    since,
)
from .status import why_or_where
from .wheel import WHEEL, unpack

app = new_app("Install, enable, look into plugins.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Id of the plugin, as `plugin list` shows it.")]
COLUMNS = ("plugin", "state", "version", "kind and boundary", "why or where")


@app.command("list", epilog="Example: jackfield plugin list --json")
def list_plugins(data: Data = None, json: Json = False) -> None:
    """List installed plugins with their state and what separates them from the kernel."""
    with admin(data) as stub:
        response = stub.ListPlugins(admin_pb2.ListPluginsRequest())
    if json:
        print_json(response)
        return
    rows = ((one.name, one.state, one.version, _what(one), why_or_where(one)) for one in response.plugins)
    print_table(COLUMNS, rows, empty="No plugins are installed.", folding=2)


@app.command(epilog="Example: jackfield plugin show echo")
def show(name: Name, data: Data = None, json: Json = False) -> None:
    """Show one plugin: its state, grants, configuration, and its last words when it does not run."""
    with admin(data) as stub:
        found = stub.GetPlugin(admin_pb2.GetPluginRequest(name=name))
    if json:
        print_json(found)
        return
    plugin = found.plugin
    missing = sorted(set(found.requested_grants) - set(found.grants))
    print_facts(
        (
            (
                "plugin",
                f"{plugin.name} {plugin.version}, {plugin.kind}"
                + (f": {plugin.title}" if plugin.title else ""),
            ),
            (
                "state",
                f"{plugin.state} since {since(plugin.since)}" if plugin.HasField("since") else plugin.state,
            ),
            ("reason", said(plugin.reason) if plugin.HasField("reason") else ""),
            ("fix", plugin.reason.remedy),
            ("pid", str(plugin.pid or "")),
            ("restarts", str(plugin.restarts or "")),
            ("leased", str(plugin.leased or "")),
            ("addresses", "\n".join(f"{one.label}: {one.url}" for one in plugin.addresses)),
            ("found in", plugin.source),
            ("manifest", found.path),
            ("boundary", ", ".join(filter(None, (plugin.boundary, plugin.launcher)))),
            ("not enforced", "\n".join(found.not_enforced)),
            ("grants", "\n".join(found.grants) or "none"),
            ("not granted", "\n".join(missing)),
            ("config", _config(found)),
            ("last exit", found.last_exit),
        )
    )
    if found.last_lines and plugin.state != "ACTIVE":
        say("\nIts last lines:")
        for line in found.last_lines:
            say_now(f"  {line}")


@app.command(epilog="Example: jackfield plugin install ./my-plugin")
def install(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DIR_OR_WHEEL", help="Folder with jackfield-plugin.yaml, or a wheel.", exists=True
        ),
    ],
    data: Data = None,
    json: Json = False,
    yes: Yes = False,
) -> None:
    """Install a plugin from a folder, which is used where it is, or from a wheel. Enable it to start it."""
    if source.suffix == WHEEL:
        confirm(f"Installing {source.name} downloads what it depends on. Go on?", yes=yes)
        source = unpack(source, data)
    with admin(data) as stub:
        found = stub.InstallPlugin(admin_pb2.InstallPluginRequest(path=str(source.absolute())))
    if json:
        print_json(found)
        return
    name = found.plugin.name
    say(f"Installed {name} {found.plugin.version}. Start it: jackfield plugin enable {name}")


@app.command(epilog="Example: jackfield plugin remove hello --purge")
def remove(
    name: Name,
    purge: Annotated[bool, typer.Option("--purge", help="Delete its private files and keys too.")] = False,
    data: Data = None,
    yes: Yes = False,
) -> None:
    """Stop a plugin and forget it. Its files stay where you installed it from."""
    confirm(f"Remove {name}" + (", its private files and keys?" if purge else "?"), yes=yes)
    with admin(data) as stub:
        stub.RemovePlugin(admin_pb2.RemovePluginRequest(name=name, purge=purge))
    say(f"Removed {name}.")


@app.command(epilog="Example: jackfield plugin enable echo --yes")
def enable(name: Name, data: Data = None, json: Json = False, yes: Yes = False) -> None:
    """Start a plugin, after showing the grants it asks for. Also retries a parked one at once."""
    with admin(data) as stub:
        answer = stub.EnablePlugin(admin_pb2.EnablePluginRequest(name=name, approve=yes))
        if answer.requested_grants and not yes:
            say(
                f"{name} ({answer.plugin.boundary}) asks for:"
                if answer.plugin.boundary
                else f"{name} asks for:"
            )
            for grant in answer.requested_grants:
                say(f"  {grant:<24} {meaning(grant)}")
            confirm("Allow this?", yes=False)
            answer = stub.EnablePlugin(admin_pb2.EnablePluginRequest(name=name, approve=True))
    _changed(answer.plugin, json=json)


@app.command(epilog="Example: jackfield plugin disable echo")
def disable(name: Name, data: Data = None, json: Json = False) -> None:
    """Let a plugin finish, and keep it stopped until it is enabled again."""
    with admin(data) as stub:
        answer = stub.DisablePlugin(admin_pb2.DisablePluginRequest(name=name))
    _changed(answer.plugin, json=json)


@app.command(epilog="Example: jackfield plugin restart echo")
def restart(name: Name, data: Data = None, json: Json = False) -> None:
    """Let a plugin finish, and start it anew."""
    with admin(data) as stub:
        answer = stub.RestartPlugin(admin_pb2.RestartPluginRequest(name=name))
    _changed(answer.plugin, json=json)


@app.command(epilog="Example: jackfield plugin upgrade hello ./hello-2.0")
def upgrade(
    name: Name,
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[FOLDER]", help="Of the new version; else its files as they are now."),
    ] = None,
    data: Data = None,
    json: Json = False,
    yes: Yes = False,
) -> None:
    """Start a plugin's new version beside the running one and let it take over when it is ready.

    Nothing waits meanwhile. A version that does not become ready is ended, and the running one goes on.
    """
    path = str(folder.absolute()) if folder is not None else ""
    _upgrade(admin_pb2.UpgradePluginRequest(name=name, path=path), data, json=json, yes=yes)


@app.command(epilog="Example: jackfield plugin rollback hello")
def rollback(name: Name, data: Data = None, json: Json = False, yes: Yes = False) -> None:
    """Go back to the folder that a plugin was upgraded from, in the same way."""
    _upgrade(admin_pb2.UpgradePluginRequest(name=name, back=True), data, json=json, yes=yes)


_STEPS = {
    admin_pb2.UPGRADE_STEP_STARTING: "starting {}",
    admin_pb2.UPGRADE_STEP_READY: "{} is ready and takes over",
    admin_pb2.UPGRADE_STEP_BOT: "moving bot {}",
    admin_pb2.UPGRADE_STEP_DRAINING: "the old version finishes what it has",
    admin_pb2.UPGRADE_STEP_DONE: "done",
}


def _upgrade(request: admin_pb2.UpgradePluginRequest, data: Path | None, *, json: bool, yes: bool) -> None:
    request.approve = yes
    with admin(data) as stub:
        for response in stub.UpgradePlugin(request):
            if response.requested_grants:
                say(f"The new version of {request.name} asks for more:")
                for grant in response.requested_grants:
                    say(f"  {grant:<24} {meaning(grant)}")
                confirm("Allow this?", yes=False)
                _upgrade(request, data, json=json, yes=True)
                return
            if response.step in _STEPS and not json:
                say_now(_STEPS[response.step].format(response.detail))
            if response.HasField("plugin"):
                _changed(response.plugin, json=json)


@app.command(epilog="Example: jackfield plugin trust hello")
def trust(
    name: Name,
    revoke: Annotated[bool, typer.Option("--revoke", help="Run it in a sandbox again.")] = False,
    data: Data = None,
    json: Json = False,
    yes: Yes = False,
) -> None:
    """Run a stranger's plugin without a sandbox: with the kernel's own rights to files, network and other plugins."""
    if not revoke:
        confirm(f"{name} will be able to do all that the kernel's user may do. Trust it?", yes=yes)
    with admin(data) as stub:
        answer = stub.TrustPlugin(admin_pb2.TrustPluginRequest(name=name, revoke=revoke))
    _changed(answer.plugin, json=json)


@app.command(epilog="Example: jackfield plugin logs echo --follow")
def logs(
    name: Name,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=1, max=10_000, help="How many to begin with.")
    ] = 50,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new lines.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show what a plugin wrote to its log file."""
    with admin(data) as stub:
        for part in stub.TailLogs(admin_pb2.TailLogsRequest(name=name, lines=lines, follow=follow)):
            if json:
                print_json_line(part)
                continue
            for line in part.lines:
                say_now(line)


@app.command(epilog="Example: jackfield plugin grants echo --remove send")
def grants(
    name: Name,
    add: Annotated[list[str] | None, typer.Option("--add", metavar="GRANT", help="Allow this too.")] = None,
    remove: Annotated[
        list[str] | None, typer.Option("--remove", metavar="GRANT", help="Allow no longer.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Show what a plugin may do, or change it. Only what its manifest asks for can be given."""
    with admin(data) as stub:
        found = stub.GetPlugin(admin_pb2.GetPluginRequest(name=name))
        in_force = list(found.grants)
        if add or remove:
            in_force = _set(stub, name, in_force, add or [], remove or [])
    if json:
        print_plain_json({"grants": in_force, "requested_grants": list(found.requested_grants)})
        return
    rows = (
        (grant, "yes" if grant in in_force else "no", meaning(grant))
        for grant in sorted({*in_force, *found.requested_grants})
    )
    print_table(("grant", "allowed", "it may"), rows, empty=f"{name} asks for nothing.")


def meaning(grant: str) -> str:
    """What a grant allows, in words."""
    kind, _, rest = grant.partition(":")
    words = {
        "reply": "answer in the chat that an event came from",
        "send": "write to any chat of any bot",
        "read": "read members, groups and messages of a platform",
        "manage": "change groups, members and messages of others",
        "call": f"call {rest}",
        "observe": f"see every event of {rest}",
        "kv": f"keep data in the kernel{f', at most {rest}' if rest else ''}",
        "secret": f"read the secret {rest}",
        "routes": "decide which events go to which plugin",
        "catalog": "see which plugins are installed",
        "cancel-lane": "stop what runs in a conversation",
        "network": "use the network",
        "ingress": "take requests from outside for adapters, with the secrets that verify them",
        "admin": f"administer the kernel as {rest}",
    }
    return words.get(kind, "")


def _set(stub: AdminStub, name: str, in_force: list[str], add: list[str], remove: list[str]) -> list[str]:
    wanted = [grant for grant in in_force if grant not in remove]
    wanted += [grant for grant in add if grant not in wanted]
    return list(stub.SetGrants(admin_pb2.SetGrantsRequest(name=name, grants=wanted)).grants)


def _changed(plugin: admin_pb2.PluginStatus, *, json: bool) -> None:
    if json:
        print_json(plugin)
        return
    say(
        f"{plugin.name} is {plugin.state}." + (f" {said(plugin.reason)}" if plugin.HasField("reason") else "")
    )
    if plugin.reason.remedy:
        say(f"  Fix: {plugin.reason.remedy}")


def _what(plugin: admin_pb2.PluginStatus) -> str:
    return ", ".join(filter(None, (plugin.kind, plugin.boundary)))


def _config(found: admin_pb2.GetPluginResponse) -> str:
    values = json_format.MessageToDict(found.config)
    return "\n".join(f"{key}: {value}" for key, value in sorted(values.items()))
