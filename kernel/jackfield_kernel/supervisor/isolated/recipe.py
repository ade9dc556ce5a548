"""What a sandbox sees, as arguments of bubblewrap."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from ..launcher import LaunchSpec

SIZE_OF_TMP = 64 << 20
SIZE_OF_SHM = 16 << 20

_SYSTEM = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_ETC = (
    "alternatives", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "nsswitch.conf",
    "pki/ca-trust", "pki/tls/certs", "ca-certificates", "ssl/certs", "ssl/openssl.cnf",
)  # fmt: skip
_ETC_FOR_THE_NETWORK = ("gai.conf", "host.conf", "hosts", "protocols", "resolv.conf", "services")
_PACKAGES = ("jackfield", "jackfield_sdk")
_KEPT = ("LANG", "TZ", "PYTHONPATH")
_CA = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")


@dataclass(frozen=True)
class Outside:
    """What of the machine a plugin gets to see beside the system's own folders.

    `hidden` are folders that stay invisible although they may lie below a visible one.
    """

    home: Path
    socket_folder: Path
    readable: tuple[Path, ...]
    hidden: tuple[Path, ...]

    def all(self) -> tuple[Path, ...]:
        """Everything that is mounted one to one; `arguments` expects the sources in this order."""
        return (self.home, self.socket_folder, *self.readable)


def outside(spec: LaunchSpec, hidden: tuple[Path, ...]) -> Outside:
    """Work out what the plugin of `spec` has to see: its code and, when it is Python, our environment."""
    readable: list[Path] = []
    if spec.argv[0] == sys.executable:
        readable += [Path(folder) for folder in (sys.prefix, sys.base_prefix, sys.base_exec_prefix)]
        readable.append(Path(os.path.realpath(sys.executable)).parent)
        for package in _PACKAGES:
            found = find_spec(package)
            readable += map(Path, (found.submodule_search_locations or ()) if found else ())
    if spec.code is not None:
        # Beside the package of an unpacked wheel stands what it depends on, each with its description.
        unpacked = any(spec.code.parent.glob("*.dist-info"))
        readable.append(spec.code.parent if unpacked else spec.code)
    if spec.network:
        readable += [Path(spec.env[name]) for name in _CA if name in spec.env]
    seen: list[Path] = []
    # Shorter paths first: what lies below a visible folder is visible already.
    for path in sorted({path.absolute() for path in readable if path.exists()}):
        if not any(path.is_relative_to(earlier) for earlier in (*seen, Path("/usr"))):
            seen.append(path)
    return Outside(spec.cwd, Path(spec.address.removeprefix("unix:")).parent, tuple(seen), hidden)


def arguments(
    spec: LaunchSpec, view: Outside, sources: tuple[Path, ...], bootstrap: int, seccomp: int
) -> Iterator[str]:
    """Yield the arguments. `sources` are where `view.all()` stands, as bubblewrap sees it; the rest are descriptors."""
    yield from ("--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--disable-userns")
    yield from ("--new-session", "--cap-drop", "ALL", "--hostname", "plugin", "--clearenv")
    if spec.network:
        yield "--share-net"
    for name, value in environment(spec).items():
        yield from ("--setenv", name, value)
    yield from ("--ro-bind", "/usr", "/usr")
    for name in _SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", os.readlink(path), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for name in (*_ETC, *(_ETC_FOR_THE_NETWORK if spec.network else ())):
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    yield from ("--proc", "/proc", "--dev", "/dev")
    yield from (
        "--size",
        str(SIZE_OF_SHM),
        "--tmpfs",
        "/dev/shm",
        "--size",
        str(SIZE_OF_TMP),
        "--tmpfs",
        "/tmp",
    )
    home, socket, *readable = sources
    below: list[tuple[Path, str]] = list(zip(readable, map(str, view.readable), strict=True))
    within = [one for one in below if any(Path(one[1]).is_relative_to(folder) for folder in view.hidden)]
    for source, target in below:
        if (source, target) not in within:
            yield from ("--ro-bind", str(source), target)
    for folder in view.hidden:
        yield from ("--size", "65536", "--tmpfs", str(folder))
    for source, target in within:
        yield from ("--ro-bind", str(source), target)
    yield from ("--ro-bind", str(socket), str(view.socket_folder))
    yield from ("--ro-bind-data", str(bootstrap), str(spec.bootstrap_path))
    yield from ("--bind", str(home), str(view.home))
    for folder in view.hidden:
        yield from ("--remount-ro", str(folder))
    yield from ("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(view.home))
    yield from ("--seccomp", str(seccomp))


def environment(spec: LaunchSpec) -> Mapping[str, str]:
    """Return the environment inside: nothing that names places which are not there."""
    kept = {name: value for name, value in spec.env.items() if name in _KEPT or name.startswith("LC_")}
    if spec.network:
        proxies = {name: value for name, value in spec.env.items() if name.lower().endswith("_proxy")}
        kept |= proxies | {name: spec.env[name] for name in _CA if name in spec.env}
    path = "/usr/local/bin:/usr/bin:/bin"
    if spec.argv[0] == sys.executable:
        path = f"{Path(sys.executable).parent}:{path}"
    return {
        **kept,
        "PATH": path,
        "HOME": str(spec.cwd),
        "TMPDIR": "/tmp",
        "JACKFIELD_BOOTSTRAP": str(spec.bootstrap_path),
    }
