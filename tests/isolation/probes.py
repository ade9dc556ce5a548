"""A plugin that tries to get out: each attempt runs in a process of its own and says what came of it.

Imports nothing but the standard library. Reads `places.json` beside itself, does only the attempts that are named there (several would
harm a machine that does not refuse them), and prints one JSON object.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import mmap
import os
import platform
import pty
import resource
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

PLACES = json.loads(Path(__file__).with_name("places.json").read_text())
LIBC = ctypes.CDLL(None, use_errno=True)
NEW_USER = 0x10000000
AT = 1 if platform.machine() == "aarch64" else 0
CALLS = {
    "bpf": (321, 280), "io_uring_setup": (425, 425), "userfaultfd": (323, 282), "perf_event_open": (298, 241),
    "keyctl": (250, 219), "clone": (56, 220), "clone3": (435, 435), "open_tree": (428, 428),
}  # fmt: skip

Attempt = Callable[[], object]
ATTEMPTS: dict[str, Attempt] = {}


def attempt(function: Attempt) -> Attempt:
    ATTEMPTS[function.__name__] = function
    return function


def call(name: str, *arguments: int) -> int:
    found = LIBC.syscall(CALLS[name][AT], *arguments)
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, errno.errorcode[number])
    return int(found)


def checked(found: int) -> int:
    if found < 0:
        raise OSError(ctypes.get_errno(), "refused")
    return found


def connect(family: int, address: object, kind: int = socket.SOCK_STREAM) -> str:
    with socket.socket(family, kind) as client:
        client.settimeout(2)
        client.connect(address)
        return "connected"


# Files.


@attempt
def read_another_plugins_home() -> str:
    return Path(PLACES["other_home"], "secret").read_text()


@attempt
def read_the_journal() -> str:
    return Path(PLACES["data"], "journal.db").read_text()


@attempt
def read_another_plugins_bootstrap() -> str:
    return Path(PLACES["data"], "bootstrap", "other.json").read_text()


@attempt
def see_the_other_plugins() -> str:
    return "seen" if "other" in os.listdir(Path(PLACES["data"], "plugins")) else missing()


@attempt
def read_a_file_of_the_machine() -> str:
    return Path(PLACES["machine_file"]).read_text()


@attempt
def read_through_the_root_of_process_1() -> str:
    return Path(f"/proc/1/root{PLACES['machine_file']}").read_text()


@attempt
def write_into_its_own_code() -> str:
    return str(Path(__file__).with_name("planted").write_text("x"))


@attempt
def write_into_the_python_environment() -> str:
    planted = Path(sys.prefix, "planted-by-a-test")
    planted.write_text("x")
    planted.unlink()
    return "written"


@attempt
def write_into_the_root() -> str:
    os.mkdir("/planted-by-a-test")
    os.rmdir("/planted-by-a-test")
    return "written"


@attempt
def write_a_setting_of_the_system() -> str:
    return str(os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY))


@attempt
def open_the_memory_of_the_machine() -> str:
    return str(os.open("/dev/mem", os.O_RDONLY))


@attempt
def make_a_device() -> str:
    os.mknod("device", 0o600 | 0o020000, os.makedev(1, 1))
    return "made"


@attempt
def write_over_its_bootstrap_file() -> str:
    return str(Path(os.environ["JACKFIELD_BOOTSTRAP"]).write_text("x"))


# Sockets.


@attempt
def connect_to_the_admin_socket() -> str:
    return connect(socket.AF_UNIX, PLACES["admin_socket"])


@attempt
def connect_to_another_plugins_socket() -> str:
    return connect(socket.AF_UNIX, PLACES["other_socket"])


@attempt
def replace_its_own_socket() -> str:
    os.unlink(PLACES["own_socket"])
    return "unlinked"


@attempt
def connect_to_a_port_of_the_machine() -> str:
    return connect(socket.AF_INET, ("127.0.0.1", PLACES["port"]))


@attempt
def connect_to_an_abstract_socket() -> str:
    return connect(socket.AF_UNIX, "\0" + PLACES["abstract_socket"])


@attempt
def send_to_the_internet() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("192.0.2.1", 53))
        return "routed"


@attempt
def make_a_netlink_socket() -> str:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0).close()
    return "made"


@attempt
def make_a_vsock() -> str:
    socket.socket(40, socket.SOCK_STREAM).close()
    return "made"


@attempt
def make_a_packet_socket() -> str:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    return "made"


# Other processes.


@attempt
def signal_a_process_of_the_machine() -> str:
    os.kill(PLACES["canary"], 0)
    return "signalled" if b"canary" in Path(f"/proc/{PLACES['canary']}/cmdline").read_bytes() else missing()


@attempt
def find_a_secret_in_an_environment() -> str:
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if b"CANARY_SECRET" in entry.read_bytes():
                return "found"
        except OSError:
            continue
    return missing()


@attempt
def trace_a_process() -> str:
    checked(LIBC.ptrace(0, 0, 0, 0))
    return "traced"


@attempt
def read_the_memory_of_its_parent() -> str:
    with open(f"/proc/{PLACES['canary']}/mem", "rb"):
        return "opened"


# Name spaces, mounts and the kernel.


@attempt
def unshare_a_user_name_space() -> str:
    checked(LIBC.unshare(NEW_USER))
    return "unshared"


@attempt
def clone_a_user_name_space() -> str:
    pid = call("clone", NEW_USER | signal.SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "cloned"


@attempt
def ask_for_clone3() -> str:
    call("clone3", 0, 0)
    return "asked"


@attempt
def mount() -> str:
    checked(LIBC.mount(b"none", os.fsencode(os.getcwd()), b"tmpfs", 0, None))
    return "mounted"


@attempt
def unmount_the_hiding_folder() -> str:
    checked(LIBC.umount2(os.fsencode(PLACES["data"]), 2))
    return "unmounted"


@attempt
def copy_a_tree_of_mounts() -> str:
    return str(call("open_tree", -100, 0, 0))


@attempt
def become_root() -> str:
    os.setuid(0)
    return "root"


@attempt
def read_the_keyring() -> str:
    return str(call("keyctl", 0, -3 & 0xFFFFFFFF, 0))


@attempt
def load_a_bpf_program() -> str:
    return str(call("bpf", 0, 0, 0))


@attempt
def use_io_uring() -> str:
    parameters = (ctypes.c_char * 128)()
    return str(call("io_uring_setup", 1, ctypes.addressof(parameters)))


@attempt
def use_userfaultfd() -> str:
    return str(call("userfaultfd", 1))


@attempt
def type_into_a_terminal() -> str:
    leader, follower = pty.openpty()
    os.setsid()
    fcntl.ioctl(follower, 0x540E, 0)
    fcntl.ioctl(follower, 0x5412, b"x")
    return str(leader)


# What it was given.


@attempt
def use_a_leaked_descriptor() -> str:
    for name in os.listdir("/proc/self/fd"):
        number = int(name)
        if number > 2:
            try:
                if b"machine secret" in os.pread(number, 100, 0):
                    return "read"
            except OSError:
                continue
    return missing()


@attempt
def find_a_secret_of_the_kernel() -> str:
    return os.environ["KERNEL_SECRET"]


@attempt
def learn_the_folders_of_the_kernel() -> str:
    said = Path("/proc/1/cmdline").read_bytes() + Path("/proc/self/mountinfo").read_bytes()
    return "found" if b"plugins/other" in said else missing()


# Limits.


@attempt
def open_a_thousand_files() -> str:
    return str(len([os.open("/dev/null", os.O_RDONLY) for _ in range(1000)]))


@attempt
def take_two_gibibytes() -> str:
    return str(len(mmap.mmap(-1, 2 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)))


@attempt
def start_a_hundred_processes() -> str:
    started = []
    try:
        for _ in range(100):
            pid = os.fork()
            if pid == 0:
                signal.pause()
            started.append(pid)
    finally:
        for pid in started:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return str(len(started))


@attempt
def fill_the_shared_memory() -> str:
    with open("/dev/shm/fill", "wb") as file:
        for _ in range(200):
            file.write(bytes(1 << 20))
    return "filled"


@attempt
def fill_tmp() -> str:
    with open("/tmp/fill", "wb") as file:
        for _ in range(200):
            file.write(bytes(1 << 20))
    return "filled"


# What it must be able to do, or the refusals above would mean nothing.


@attempt
def write_into_its_home() -> str:
    Path("mine").write_text("x")
    return Path("mine").read_text()


@attempt
def connect_to_its_own_socket() -> str:
    return connect(socket.AF_UNIX, PLACES["own_socket"])


@attempt
def read_its_bootstrap_file() -> str:
    return Path(os.environ["JACKFIELD_BOOTSTRAP"]).read_text()


@attempt
def resolve_and_import() -> str:
    __import__("ssl").create_default_context()
    __import__("grpc.aio")
    return __import__("jackfield_sdk").__name__


def missing() -> str:
    raise FileNotFoundError(errno.ENOENT, "not there")


def outcome(function: Attempt) -> str:
    """`ok: ...` when it worked, else the name of the error."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        try:
            said = f"ok: {function()}"
        except OSError as error:
            said = errno.errorcode.get(error.errno or 0, type(error).__name__)
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is the answer
            said = type(error).__name__
        os.write(writer, said[:2000].encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as said_file:
        found = said_file.read().decode()
    _, status = os.waitpid(pid, 0)
    return found or f"ended: {os.waitstatus_to_exitcode(status)}"


if __name__ == "__main__":
    print(json.dumps({name: outcome(ATTEMPTS[name]) for name in PLACES["attempts"]}), flush=True)
