"""What a plugin tries in order to get out of its sandbox, and the proof that each attempt works without one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from jackfield_kernel.manifest import Limits
from jackfield_kernel.supervisor import IsolatedLauncher, Launcher, LaunchSpec, ProcessLauncher

pytestmark = [
    pytest.mark.debian,
    pytest.mark.integration,
    pytest.mark.skipif(not shutil.which("bwrap"), reason="needs the Debian package bubblewrap"),
]

PROBES = Path(__file__).with_name("probes.py")
LIMITS = Limits(memory=256 << 20, pids=48, files=256)

REFUSED = (
    "read_another_plugins_home", "read_the_journal", "read_another_plugins_bootstrap", "see_the_other_plugins",
    "read_a_file_of_the_machine", "read_through_the_root_of_process_1", "write_into_its_own_code",
    "write_into_the_python_environment", "write_into_the_root", "write_a_setting_of_the_system",
    "open_the_memory_of_the_machine", "make_a_device", "write_over_its_bootstrap_file",
    "connect_to_the_admin_socket", "connect_to_another_plugins_socket", "replace_its_own_socket",
    "connect_to_a_port_of_the_machine", "connect_to_an_abstract_socket", "send_to_the_internet",
    "make_a_netlink_socket", "make_a_vsock", "make_a_packet_socket", "signal_a_process_of_the_machine",
    "find_a_secret_in_an_environment", "trace_a_process", "read_the_memory_of_its_parent",
    "unshare_a_user_name_space", "clone_a_user_name_space", "ask_for_clone3", "mount",
    "unmount_the_hiding_folder", "copy_a_tree_of_mounts", "become_root", "read_the_keyring",
    "load_a_bpf_program", "use_io_uring", "use_userfaultfd", "type_into_a_terminal", "use_a_leaked_descriptor",
    "find_a_secret_of_the_kernel", "learn_the_folders_of_the_kernel", "open_a_thousand_files",
    "take_two_gibibytes", "start_a_hundred_processes", "fill_the_shared_memory", "fill_tmp",
)  # fmt: skip

ALLOWED = (
    "write_into_its_home",
    "connect_to_its_own_socket",
    "read_its_bootstrap_file",
    "resolve_and_import",
)

WORK_WITHOUT = (
    "read_another_plugins_home", "read_the_journal", "read_another_plugins_bootstrap", "see_the_other_plugins",
    "read_a_file_of_the_machine", "write_into_its_own_code", "write_into_the_python_environment",
    "connect_to_the_admin_socket", "connect_to_another_plugins_socket", "connect_to_a_port_of_the_machine",
    "connect_to_an_abstract_socket", "make_a_netlink_socket", "signal_a_process_of_the_machine",
    "find_a_secret_in_an_environment", "trace_a_process", "read_the_keyring", "start_a_hundred_processes",
    "open_a_thousand_files", "take_two_gibibytes",
)  # fmt: skip
"""Harmless on the machine itself. Those left out would harm it, or are refused by some machines in any case."""


@dataclass
class Bait:
    """A data and a runtime directory with something to steal, and the spec of the thief."""

    data: Path
    runtime: Path
    spec: LaunchSpec


@pytest.fixture(scope="module")
def bait() -> Iterator[Bait]:
    # Not tmp_path: socket paths are short.
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jf")))
        yield set_out(root, stack)


def set_out(root: Path, stack: ExitStack) -> Bait:
    data, runtime, code = root / "data", root / "run", root / "code" / "thief"
    for folder in ("plugins/thief", "plugins/other", "bootstrap", "logs"):
        (data / folder).mkdir(parents=True, mode=0o700)
    for folder in (code, runtime / "thief", runtime / "other"):
        folder.mkdir(parents=True)
    (data / "plugins" / "other" / "secret").write_text("another plugin's secret")
    (data / "journal.db").write_text("the journal")
    (data / "bootstrap" / "other.json").write_text("another plugin's secret")
    (data / "bootstrap" / "thief.json").write_text("its own")
    (root / "machine").write_text("machine secret")
    sockets = {}
    for name, place in (
        ("admin_socket", runtime / "admin.sock"),
        ("own_socket", runtime / "thief" / "s"),
        ("other_socket", runtime / "other" / "s"),
    ):
        listening(stack, socket.AF_UNIX, str(place))
        sockets[name] = str(place)
        # As the session room leaves them for the user that a sandbox below root runs as.
        place.chmod(0o666)
    abstract = f"jackfield-test-{os.getpid()}"
    listening(stack, socket.AF_UNIX, "\0" + abstract)
    port = listening(stack, socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
    canary = subprocess.Popen(
        [sys.executable, "-c", "import signal; 'canary'; signal.pause()"], env={"CANARY_SECRET": "x"}
    )
    stack.callback(canary.wait)
    stack.callback(canary.kill)
    leaked = os.open(root / "machine", os.O_RDONLY)
    stack.callback(os.close, leaked)
    os.set_inheritable(leaked, True)
    places = {
        "data": str(data),
        "other_home": str(data / "plugins" / "other"),
        "machine_file": str(root / "machine"),
        "port": port,
        "abstract_socket": abstract,
        "canary": canary.pid,
        **sockets,
    }
    (code / "places.json").write_text(json.dumps(places))
    (code / "__main__.py").write_text(PROBES.read_text())
    spec = LaunchSpec(
        name="thief",
        argv=(sys.executable, "-P", "-u", "-m", "thief"),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(code.parent)},
        cwd=data / "plugins" / "thief",
        log_path=data / "logs" / "thief.log",
        bootstrap_path=data / "bootstrap" / "thief.json",
        limits=LIMITS,
        address=f"unix:{sockets['own_socket']}",
        code=code,
    )
    spec = replace(spec, env={**spec.env, "JACKFIELD_BOOTSTRAP": str(spec.bootstrap_path)})
    return Bait(data, runtime, spec)


def listening(stack: ExitStack, family: int, address: object) -> socket.socket:
    server = stack.enter_context(socket.socket(family))
    server.bind(address)
    server.listen(16)
    return server


def outcomes(launcher: Launcher, spec: LaunchSpec, attempts: tuple[str, ...]) -> dict[str, str]:
    """Run the thief to its end and return what came of each attempt."""
    assert spec.code is not None
    places = spec.code / "places.json"
    places.write_text(json.dumps({**json.loads(places.read_text()), "attempts": attempts}))

    async def run() -> None:
        running = await launcher.start(spec)
        try:
            async with asyncio.timeout(60):
                ended = await running.wait()
        finally:
            await running.kill(0.1)
        assert ended.code == 0, (ended, spec.log_path.read_text())

    spec.log_path.unlink(missing_ok=True)
    asyncio.run(run())
    found: dict[str, str] = json.loads(spec.log_path.read_text().splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def isolated(bait: Bait) -> dict[str, str]:
    os.environ["KERNEL_SECRET"] = "x"
    try:
        return outcomes(IsolatedLauncher((bait.data, bait.runtime)), bait.spec, (*REFUSED, *ALLOWED))
    finally:
        del os.environ["KERNEL_SECRET"]


@pytest.fixture(scope="module")
def plain(bait: Bait) -> dict[str, str]:
    return outcomes(ProcessLauncher(), replace(bait.spec, limits=Limits()), WORK_WITHOUT)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(isolated: dict[str, str], name: str) -> None:
    assert not isolated[name].startswith("ok"), isolated[name]


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(isolated: dict[str, str], name: str) -> None:
    assert isolated[name].startswith("ok"), isolated[name]


@pytest.mark.parametrize("name", WORK_WITHOUT)
def test_the_same_attempt_works_without_a_sandbox(plain: dict[str, str], name: str) -> None:
    assert plain[name].startswith("ok"), plain[name]


def test_with_the_network_granted_only_the_network_opens(bait: Bait) -> None:
    sandbox = IsolatedLauncher((bait.data, bait.runtime))
    found = outcomes(sandbox, replace(bait.spec, network=True), REFUSED)
    opened = {name for name in REFUSED if found[name].startswith("ok")}
    assert "connect_to_a_port_of_the_machine" in opened
    # `security.md` names the abstract sockets: they belong to the network.
    assert opened <= {
        "connect_to_a_port_of_the_machine",
        "connect_to_an_abstract_socket",
        "send_to_the_internet",
    }
