"""The sandbox of a kernel that is not root: the same refusals, without a user of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .test_escapes import ALLOWED, REFUSED

USER = 23456
ROOT = Path(__file__).parents[2]
RUN = """\
import json, os, tempfile
from contextlib import ExitStack
from pathlib import Path
from tests.isolation import test_escapes as escapes
assert os.getuid() != 0
with ExitStack() as stack:
    root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jf", dir="/tmp")))
    bait = escapes.set_out(root, stack)
    sandbox = escapes.IsolatedLauncher((bait.data, bait.runtime))
    print(json.dumps(escapes.outcomes(sandbox, bait.spec, (*escapes.REFUSED, *escapes.ALLOWED))))
"""


# In a mount name space of its own: a checkout or an interpreter below root's home is put where others may pass.
OPEN = """
mount -t tmpfs -o mode=0755 stage /sys
number=0
for place in $PLACES; do
  mkdir "/sys/$number" && mount --rbind "$place" "/sys/$number" && number=$((number + 1))
done
for folder in $CLOSED; do mount -t tmpfs -o mode=0755 open "$folder"; done
number=0
for place in $PLACES; do
  if [ ! -d "$place" ]; then mkdir -p "$place" && mount --rbind "/sys/$number" "$place"; fi
  number=$((number + 1))
done
umount -l /sys
cd "$CHECKOUT"
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --inh-caps=-all -- "$@"
"""


def closed_above(path: Path) -> Path | None:
    """The topmost folder on the way that others may not pass."""
    return next((one for one in reversed(path.parents) if not one.stat().st_mode & 0o001), None)


def as_user(code: str) -> subprocess.CompletedProcess[str]:
    places = {Path(os.path.realpath(place)) for place in (sys.prefix, sys.base_prefix, ROOT)}
    closed = {folder for place in places if (folder := closed_above(place))}
    variables = {
        "PLACES": " ".join(map(str, sorted(places))),
        "CLOSED": " ".join(map(str, closed)),
        "CHECKOUT": str(ROOT),
        "USER_ID": str(USER),
        "PATH": os.environ["PATH"],
        "HOME": "/tmp",
    }
    stage = ["unshare", "--mount", "sh", "-euc", OPEN, "sh"]
    return subprocess.run(
        [*stage, sys.executable, "-B", "-c", code],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


pytestmark = [
    pytest.mark.debian,
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("bwrap"), reason="needs the Debian package bubblewrap"),
    pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user"),
]


@pytest.fixture(scope="module")
def isolated() -> dict[str, str]:
    done = as_user(RUN)
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


def test_the_same_is_refused_and_allowed(isolated: dict[str, str]) -> None:
    assert {name for name in REFUSED if isolated[name].startswith("ok")} == set()
    assert {name for name in ALLOWED if not isolated[name].startswith("ok")} == set()
