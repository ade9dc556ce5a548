"""The sandbox's filter and recipe, without starting one: the filter is run by an interpreter of its own here."""

from __future__ import annotations

import errno
import struct
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from jackfield_kernel.manifest import Limits
from jackfield_kernel.supervisor import LaunchSpec
from jackfield_kernel.supervisor.isolated.recipe import arguments, environment, outside
from jackfield_kernel.supervisor.isolated.seccomp import CEILING, DENIED, program
from jackfield_kernel.supervisor.isolated.staging import give_home, user_of

MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
ALLOW, KILL = "allow", "kill"


def decide(
    machine: str, number: int, first: int = 0, second: int = 0, architecture: int | None = None
) -> str:
    """Run the program as the system does, on one call."""
    data = struct.pack("=IIQQQ", number, architecture or MACHINES[machine][1], 0, first, second)
    steps = list(struct.iter_unpack("=HBBI", program(machine)))
    accumulator = position = 0
    while True:
        code, yes, no, value = steps[position]
        position += 1
        if code == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, value)
        elif code == 0x06:
            action = value & 0xFFFF0000
            if action == 0x00050000:
                return errno.errorcode[value & 0xFFFF]
            return {0x7FFF0000: ALLOW, 0x80000000: KILL}[action]
        else:
            true = {0x15: accumulator == value, 0x25: accumulator > value, 0x45: bool(accumulator & value)}[
                code
            ]
            position += yes if true else no


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_listed_is_denied_and_what_is_unknown_does_not_exist(machine: str) -> None:
    column = MACHINES[machine][0]
    denied = {numbers[column] for numbers in DENIED.values()} - {None}
    for number in denied:
        assert decide(machine, number) == "EPERM"
    assert decide(machine, CEILING + 1) == "ENOSYS"
    assert decide(machine, 435) == "ENOSYS", "clone3"
    special = {435, *((16, 41, 53, 56) if column == 0 else (29, 198, 199, 220))}
    for number in set(range(CEILING + 1)) - denied - special:
        assert decide(machine, number) == ALLOW, number


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_are_judged_by_their_arguments(machine: str) -> None:
    clone, ioctl, socket, pair = ((56, 16, 41, 53), (220, 29, 198, 199))[MACHINES[machine][0]]
    assert decide(machine, clone, 0x003D0F00) == ALLOW, "a thread"
    assert decide(machine, clone, 17) == ALLOW, "a fork"
    for name_space in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert decide(machine, clone, name_space | 17) == "EPERM"
    assert decide(machine, ioctl, 1, 0x5412) == "EPERM"
    assert decide(machine, ioctl, 1, 0xABCD00005412) == "EPERM", "the upper half is ignored by the system too"
    assert decide(machine, ioctl, 1, 0x541C) == "EPERM"
    assert decide(machine, ioctl, 1, 0x5401) == ALLOW
    for call in (socket, pair):
        found = {family: decide(machine, call, family) for family in range(46)}
        assert {family for family, action in found.items() if action == ALLOW} == {1, 2, 10}
        assert set(found.values()) == {ALLOW, "EAFNOSUPPORT"}


def test_other_doors_are_closed() -> None:
    assert decide("x86_64", 0, architecture=0x40000003) == KILL, "int 0x80"
    assert decide("aarch64", 0, architecture=0x40000028) == KILL, "32 bit"
    assert decide("x86_64", 0x40000000 | 41, 40) == "ENOSYS", "x32"


@pytest.fixture
def spec(tmp_path: Path) -> LaunchSpec:
    for name in ("data/plugins/p", "data/bootstrap", "run/p", "code/p"):
        (tmp_path / name).mkdir(parents=True)
    env = {
        "PATH": "/opt/bin",
        "HOME": "/home/operator",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(tmp_path / "code"),
        "HTTPS_PROXY": "http://proxy",
        "XDG_RUNTIME_DIR": "/run/user/1",
    }
    return LaunchSpec(
        "p",
        (sys.executable, "-m", "p"),
        env,
        tmp_path / "data" / "plugins" / "p",
        tmp_path / "log",
        tmp_path / "data" / "bootstrap" / "p.json",
        Limits(),
        f"unix:{tmp_path}/run/p/s",
        tmp_path / "code" / "p",
    )


def words(spec: LaunchSpec, hidden: tuple[Path, ...]) -> list[str]:
    view = outside(spec, hidden)
    return list(arguments(spec, view, view.all(), 8, 9))


def test_its_own_code_is_all_it_sees_of_the_folder_around(spec: LaunchSpec, tmp_path: Path) -> None:
    view = outside(spec, (tmp_path / "data",))
    assert tmp_path / "code" / "p" in view.readable
    assert tmp_path / "code" not in view.readable
    found = words(spec, (tmp_path / "data",))
    bound = found.index("--bind")
    assert found.index(str(tmp_path / "data")) < bound, "hidden first, then its own part"
    assert found[bound + 1 : bound + 3] == [str(view.home)] * 2


def test_code_below_a_hidden_folder_is_seen_all_the_same(spec: LaunchSpec, tmp_path: Path) -> None:
    unpacked = tmp_path / "data" / "wheels" / "p-1"
    unpacked.mkdir(parents=True)
    found = words(replace(spec, code=unpacked), (tmp_path / "data",))
    assert found.index("--tmpfs") < found.index(str(unpacked))
    assert found.index(str(tmp_path / "data")) < found.index(str(unpacked))


def test_a_wheel_is_seen_with_what_it_depends_on(spec: LaunchSpec, tmp_path: Path) -> None:
    assert spec.code is not None
    (spec.code.parent / "p-1.0.dist-info").mkdir()
    assert tmp_path / "code" in outside(spec, ()).readable


def test_the_network_is_closed_unless_granted(spec: LaunchSpec) -> None:
    assert "--share-net" not in words(spec, ())
    assert "/etc/resolv.conf" not in words(spec, ())
    granted = replace(spec, network=True)
    assert {"--share-net", "/etc/resolv.conf"} <= set(words(granted, ()))
    assert "HTTPS_PROXY" not in environment(spec)
    assert environment(granted)["HTTPS_PROXY"] == "http://proxy"


def test_the_environment_names_only_what_is_there(spec: LaunchSpec) -> None:
    found = environment(spec)
    assert set(found) == {"PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH", "JACKFIELD_BOOTSTRAP"}
    assert found["HOME"] == str(spec.cwd)
    assert "/opt/bin" not in found["PATH"]


def test_a_home_is_given_once_and_no_link_in_it_is_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "link").symlink_to("/etc/passwd")
    changed: list[tuple[str, bool]] = []
    monkeypatch.setattr(
        "os.chown",
        lambda path, user, group, follow_symlinks: changed.append((str(path), follow_symlinks)),
    )
    give_home(home, home.stat().st_uid + 1)
    assert changed == [(str(home / "link"), False), (str(home), False)]
    changed.clear()
    give_home(home, home.stat().st_uid)
    assert not changed


def test_a_plugin_has_one_user_and_another_plugin_another(spec: LaunchSpec) -> None:
    assert user_of(spec) == user_of(replace(spec, network=True))
    assert user_of(spec) != user_of(replace(spec, cwd=spec.cwd.with_name("q")))
    assert 61184 <= user_of(spec) <= 65519
