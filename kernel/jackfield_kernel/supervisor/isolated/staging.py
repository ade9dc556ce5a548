"""Starting bubblewrap as a user without rights when the kernel runs as root.

A bubblewrap started by root leaves the sandbox with root's number, which may write system settings: an escape. So its user is
dropped first. That user cannot pass through root's private folders to what it shall see; so, in a mount name space that ends
with the sandbox, root first puts each of these places below a folder that everybody may pass. It is /sys, which always exists,
which no sandbox gets to see, and below which nothing of ours can lie.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..launcher import LaunchSpec

_STAGE = "/sys"
_SCRIPT = """
user=$1; shift
mount -t tmpfs -o mode=0755,size=1m jackfield /sys
number=0
while [ "$1" != -- ]; do
  if [ -d "$1" ]; then mkdir "/sys/$number"; else : > "/sys/$number"; fi
  mount --rbind "$1" "/sys/$number"
  number=$((number + 1)); shift
done
shift
exec setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all --bounding-set=-all -- "$@"
"""

# The numbers that systemd reserves for users made up at run time: no person and no service has one.
_FIRST_USER, _USERS = 61184, 4336


def user_of(spec: LaunchSpec) -> int:
    """Return the user an isolated plugin runs as below a root kernel: always the same for one plugin's home."""
    digest = hashlib.sha256(os.fsencode(spec.cwd)).digest()
    return _FIRST_USER + int.from_bytes(digest[:4], "big") % _USERS


def staged(places: tuple[Path, ...], user: int, command: list[str]) -> tuple[list[str], tuple[Path, ...]]:
    """Return a command that runs `command` as `user`, and where that finds `places`."""
    stage = ["unshare", "--mount", "--propagation", "slave", "--", "sh", "-euc", _SCRIPT, "sh", str(user)]
    found = tuple(Path(_STAGE, str(number)) for number in range(len(places)))
    return [*stage, *map(str, places), "--", *command], found


def give_home(home: Path, user: int) -> None:
    """Make `home` the user's own, with what is in it. Does nothing once it is: what a plugin links later stays as it is."""
    if home.lstat().st_uid == user:
        return
    for folder, folders, files in os.walk(home):
        for name in (*folders, *files):
            os.chown(Path(folder, name), user, user, follow_symlinks=False)
    os.chown(home, user, user, follow_symlinks=False)
