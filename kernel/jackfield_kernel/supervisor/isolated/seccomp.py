"""The system calls a sandbox may not make, as the classic BPF program that the kernel runs before each of them.

A list of what is denied, with a ceiling: a call newer than this list is answered as if the kernel did not have it, so a new system
call cannot open a hole before somebody has looked at it. Decision 0022 says why not a list of what is allowed.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Iterator

# Name: number on x86_64 and on aarch64; None where the machine has no such call.
DENIED: dict[str, tuple[int | None, int | None]] = {
    # Other processes and their memory.
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "kcmp": (312, 272), "pidfd_getfd": (438, 438), "move_pages": (279, 239), "migrate_pages": (256, 238),
    # Name spaces and mounts.
    "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    # Parts of the kernel with a history of holes, which no plugin needs.
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "memfd_secret": (447, 447),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218), "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18), "nfsservctl": (180, 42), "uselib": (134, None), "_sysctl": (156, None),
    "sysfs": (139, None), "modify_ldt": (154, None), "personality": (135, 92),
    # The machine.
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105),
    "finit_module": (313, 273), "delete_module": (176, 106), "reboot": (169, 142), "swapon": (167, 224),
    "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "syslog": (103, 116), "vhangup": (153, 58), "settimeofday": (164, 170), "clock_settime": (227, 112),
    "adjtimex": (159, 171), "clock_adjtime": (305, 266), "sethostname": (170, 161),
    "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip
CEILING = 450
"""The highest number known here, the same on both machines."""

CLONE, CLONE3, IOCTL, SOCKET, SOCKETPAIR = (56, 220), (435, 435), (16, 29), (41, 198), (53, 199)
_MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

_NEW_NAMESPACES = 0x7E020000
_FAMILIES = (1, 2, 10)  # unix, IPv4, IPv6: no netlink, packet, vsock (which no network name space bounds).
_TERMINAL_INPUT = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX type into the terminal of someone else.

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

Step = tuple[int, int, int, int]


def supported() -> bool:
    """Whether there is a program for this machine."""
    return platform.machine() in _MACHINES


def program(machine: str | None = None) -> bytes:
    """Return the program for a machine, by default this one. Raises KeyError for one that is not `supported`."""
    column, architecture = _MACHINES[machine or platform.machine()]
    return b"".join(struct.pack("=HBBI", *step) for step in _steps(column, architecture))


def _steps(column: int, architecture: int) -> Iterator[Step]:
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _EQUAL, 1, 0, architecture
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, _NUMBER
    # Also what comes by the x32 door, whose numbers have bit 30 set.
    yield _GREATER, 0, 1, CEILING
    yield _refuse(errno.ENOSYS)
    for numbers in DENIED.values():
        if (number := numbers[column]) is not None:
            yield _EQUAL, 0, 1, number
            yield _refuse(errno.EPERM)
    # Its flags stand in memory, where no filter can look; the C library falls back to clone.
    yield _EQUAL, 0, 1, CLONE3[column]
    yield _refuse(errno.ENOSYS)
    yield _EQUAL, 0, 4, CLONE[column]
    yield _LOAD, 0, 0, _FIRST
    yield _ANY_BIT, 0, 1, _NEW_NAMESPACES
    yield _refuse(errno.EPERM)
    yield _RETURN, 0, 0, _ALLOW
    yield _EQUAL, 0, 2 * len(_TERMINAL_INPUT) + 2, IOCTL[column]
    yield _LOAD, 0, 0, _SECOND
    for request in _TERMINAL_INPUT:
        yield _EQUAL, 0, 1, request
        yield _refuse(errno.EPERM)
    yield _RETURN, 0, 0, _ALLOW
    yield _EQUAL, 1, 0, SOCKET[column]
    yield _EQUAL, 0, 2 * len(_FAMILIES) + 2, SOCKETPAIR[column]
    yield _LOAD, 0, 0, _FIRST
    for family in _FAMILIES:
        yield _EQUAL, 0, 1, family
        yield _RETURN, 0, 0, _ALLOW
    yield _refuse(errno.EAFNOSUPPORT)
    yield _RETURN, 0, 0, _ALLOW


def _refuse(number: int) -> Step:
    return _RETURN, 0, 0, _ERRNO | number
