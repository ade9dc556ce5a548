"""`jackfield service`: the kernel as a service of systemd."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from ..config import data_directory
from .failure import Failure
from .lazy import new_app
from .options import Data, Yes, confirm
from .place import config_file
from .show import say

app = new_app("Install the kernel as a service of systemd.")

NAME = "jackfield.service"

UNIT = """\
# Written by `jackfield service install`.
[Unit]
Description=Jackfield kernel
After=network-online.target
Wants=network-online.target

[Service]
Type=notify
ExecStart={command}
{user}# The kernel ends its plugins itself. A kernel that is killed leaves them to the next one, which takes them over.
KillMode=process
# The kernel bounds each plugin in a control group of its own.
Delegate=yes
DelegateSubgroup=kernel
Restart=always
RestartSec=1
# The kernel says from its event loop that it lives.
WatchdogSec=30
TimeoutStopSec=60
UMask=0077
LimitNOFILE=65536

[Install]
WantedBy={target}
"""

System = Annotated[
    bool, typer.Option("--system", help="For the machine, started at boot; needs root.", show_default=False)
]
User = Annotated[
    str,
    typer.Option("--user", metavar="NAME", help="With --system: the user it runs as.", show_default=False),
]


@app.command(epilog="Example: jackfield service install --system --user bots --data /var/lib/jackfield")
def install(
    data: Data = None,
    config: Annotated[
        Path | None, typer.Option("--config", metavar="FILE", help="jackfield.yaml of the service.")
    ] = None,
    system: System = False,
    user: User = "",
    show: Annotated[bool, typer.Option("--print", help="Print the unit; write nothing.")] = False,
    yes: Yes = False,
) -> None:
    """Install the kernel as a service of systemd: yours, or the machine's. Started at once and at each boot or log-in."""
    unit = _unit(data, config, system=system, user=user)
    if show:
        print(unit, end="")
        return
    _require_systemd(system)
    path = _path(system)
    if path.exists() and path.read_text() != unit:
        confirm(f"Replace {path}?", yes=yes)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(unit)
    _systemctl(system, "daemon-reload")
    _systemctl(system, "enable", "--now", NAME)
    say(f"Installed {path} and started it.")
    if not system:
        say(f"It ends when you log out, unless you run: loginctl enable-linger {getpass.getuser()}")


@app.command(epilog="Example: jackfield service uninstall")
def uninstall(system: System = False, yes: Yes = False) -> None:
    """Stop the service and remove it. The data directory stays."""
    path = _path(system)
    if not path.exists():
        raise Failure(f"There is no {path}.", "Was it installed with --system?" if not system else "")
    _require_systemd(system)
    confirm(f"Stop the service and remove {path}?", yes=yes)
    _systemctl(system, "disable", "--now", NAME)
    path.unlink()
    _systemctl(system, "daemon-reload")
    say(f"Removed {path}.")


def _unit(data: Path | None, config: Path | None, *, system: bool, user: str) -> str:
    if user and not system:
        raise Failure("--user goes with --system.", "Leave it out: your own service runs as you.")
    root = data_directory(data, os.environ).absolute()
    file = config_file(config, root, os.environ)
    # -m and not the script: the service keeps running what this interpreter has installed.
    command = [sys.executable, "-m", "jackfield_kernel", "run", "--data", str(root), "--log-format", "json"]
    if file is not None:
        command += ["--config", str(file.absolute())]
    return UNIT.format(
        command=" ".join(map(_quoted, command)),
        user=f"User={user}\n" if user else "",
        target="multi-user.target" if system else "default.target",
    )


def _quoted(word: str) -> str:
    """As systemd reads words: % and $ stand for themselves when doubled, quotes and blanks inside quotes."""
    word = word.replace("%", "%%").replace("$", "$$")
    if any(char in word for char in " \t\"'\\"):
        return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return word


def _path(system: bool) -> Path:
    if system:
        return Path("/etc/systemd/system") / NAME
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "systemd" / "user" / NAME


def _require_systemd(system: bool) -> None:
    if not shutil.which("systemctl") or not Path("/run/systemd/system").exists():
        raise Failure(
            "systemd does not run on this machine.",
            "Let your service manager run what `jackfield service install --print` shows as ExecStart, and restart it always.",
        )
    if system and os.getuid() != 0:
        raise Failure("A service of the machine needs root.", "Use sudo, or leave out --system.")


def _systemctl(system: bool, *arguments: str) -> None:
    command = ["systemctl", *([] if system else ["--user"]), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failure(f"{' '.join(command)} failed: {done.stderr.strip()}", "See `journalctl -xe`.")
