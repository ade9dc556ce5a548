"""A credential has one holder on the machine, also when a kernel was killed and its adapter may still act."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from jackfield.v1 import error_pb2
from jackfield_kernel.state import credentials
from jackfield_kernel.state.credentials import LEASE_SECONDS, Credentials, Unique

TOKEN = (Unique("wire", "token", '"abc"'),)


class Kernels:
    """Kernels on one machine, which share a folder and a clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1_000.0

    def one(self, holder: str) -> Credentials:
        return Credentials(lambda: self.folder, holder, lambda: self.now)


@pytest.fixture
def kernels(tmp_path: Path) -> Kernels:
    return Kernels(tmp_path)


def die(kernel: Credentials) -> None:
    """What the operating system does for a killed process."""
    for files in kernel._held.values():
        for descriptor in files.values():
            os.close(descriptor)
    kernel._held.clear()


async def test_the_second_is_told_who_has_it_and_gets_it_once_free(kernels: Kernels) -> None:
    one, two = kernels.one("/one"), kernels.one("/two")
    assert await one.hold("a", TOKEN) is None
    assert await one.hold("a", TOKEN) is None
    refused = await two.hold("b", TOKEN)
    assert refused is not None
    assert (refused.reason, refused.metadata["holder"], refused.metadata["bot"]) == (
        "CREDENTIAL_IN_USE",
        "/one",
        "a",
    )
    assert "abc" not in refused.message
    await one.release("a")
    assert await two.hold("b", TOKEN) is None
    await two.release_all()


async def test_two_bots_of_one_kernel_cannot_share_it(kernels: Kernels) -> None:
    kernel = kernels.one("/one")
    assert await kernel.hold("a", TOKEN) is None
    assert await kernel.hold("b", TOKEN) is not None
    assert await kernel.hold("b", [Unique("wire", "token", '"other"')]) is None
    await kernel.release_all()


async def test_a_killed_kernel_takes_it_up_again_and_others_wait_until_its_adapter_noticed(
    kernels: Kernels,
) -> None:
    one, two = kernels.one("/one"), kernels.one("/two")
    await one.hold("a", TOKEN)
    die(one)
    refused = await two.hold("b", TOKEN)
    assert refused is not None
    assert "ended without giving it back" in refused.message
    again = kernels.one("/one")
    assert await again.hold("a", TOKEN) is None
    die(again)
    kernels.now += LEASE_SECONDS
    assert await two.hold("b", TOKEN) is None
    await two.release_all()


async def test_a_time_from_before_the_machines_start_counts_for_nothing(kernels: Kernels) -> None:
    one = kernels.one("/one")
    await one.hold("a", TOKEN)
    die(one)
    kernels.now = 5.0
    two = kernels.one("/two")
    assert await two.hold("b", TOKEN) is None
    await two.release_all()


async def test_all_or_none(kernels: Kernels) -> None:
    one, two = kernels.one("/one"), kernels.one("/two")
    other = Unique("wire", "account", "7")
    await one.hold("a", [other])
    assert await two.hold("b", [*TOKEN, other]) is not None
    assert await one.hold("c", TOKEN) is None
    await one.release_all()


async def test_a_lock_file_that_was_removed_is_noticed(
    kernels: Kernels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "RENEW_SECONDS", 0.0)
    one = kernels.one("/one")
    lost: list[str] = []
    await one.hold("a", TOKEN)
    for path in kernels.folder.iterdir():
        assert json.loads(path.read_text())["holder"] == "/one"
        path.unlink()

    class Enough(Exception):
        pass

    def told(bot: str, error: error_pb2.Error) -> None:
        lost.append(bot)
        raise Enough

    one.lost = told
    with pytest.raises(Enough):
        await one.renew()
    assert lost == ["a"]
