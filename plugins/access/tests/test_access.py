"""Who is admitted, shut out, paired; on a fake kernel, by what the kernel is told to enforce."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from jackfield.v1 import command_pb2
from jackfield_access.access import build
from jackfield_access.codes import ALPHABET, code_of, looks_like_code
from jackfield_access.people import USER, Person
from jackfield_access.sets import members_of
from jackfield_access.settings import of_bot
from jackfield_sdk import Chat, InvalidArgument, Target, User, convert
from jackfield_sdk.testing import FakeKernel, message

# More than `make test-fast` has time for.
pytestmark = pytest.mark.slow

INVOKE = "/jackfield.v1.Commands/Invoke"
ADMIN = User(id="root")


@pytest.fixture
async def kernel() -> AsyncIterator[FakeKernel]:
    async with FakeKernel() as kernel:
        kernel.state.catalog.bots.add(name="bot", platform="test", enabled=True)
        yield kernel


def members(kernel: FakeKernel, name: str, bot: str = "bot") -> set[str]:
    return set(kernel.state.senders[f"access/{bot}/{name}"].members)


async def write(kernel: FakeKernel, text: str, user: str = "ann", **fields: Any) -> list[str]:
    """What a stranger is told."""
    rule_config = fields.pop("rule_config", None)
    fields.setdefault("chat", Chat.private(user))
    delivered = await kernel.deliver(message(text, sender=User(id=user), **fields), rule_config=rule_config)
    assert (await delivered.outcome).done
    return [reply.text for reply in delivered.replies]


async def command(kernel: FakeKernel, text: str, sender: User = ADMIN) -> str:
    """What an administrator is told."""
    name, _, args = text.partition(" ")
    event = convert.event_to_proto(message(f"/{text}", sender=sender))
    request = command_pb2.InvokeRequest(name=name, args=args, event=event, locale="en")
    answer = await kernel.call_service(
        INVOKE, request, command_pb2.InvokeResponse, target=Target(plugin="access")
    )
    return convert.message_to_plain(answer.reply).text


def code_in(texts: Iterable[str] | str) -> str:
    found = re.search(rf"\b[{ALPHABET}]{{8}}\b", texts if isinstance(texts, str) else " ".join(texts))
    assert found, texts
    return found[0]


async def test_nobody_is_admitted_to_begin_with(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        assert members(kernel, "admitted") == members(kernel, "admins") == members(kernel, "rooms") == set()
        assert members(kernel, "free") == {"*"}


async def test_the_operator_is_told_of_a_bot_that_admits_nobody(kernel: FakeKernel) -> None:
    async with kernel.running(build()) as running:
        (warning,) = running.session.report.warnings
        assert (warning.reason, warning.message) == ("NOT_CONFIGURED", "bot bot admits nobody yet")
        assert "plugins.access.config.bots.bot.admins" in warning.remedy
        await command(kernel, "allow 7")
        async with asyncio.timeout(10):
            while running.session.report.warnings:
                await asyncio.sleep(0.01)


async def test_the_configuration_admits(kernel: FakeKernel) -> None:
    settings = {
        "allow": ["7", " 8 "],
        "admins": ["1"],
        "open_groups": ["g"],
        "require_mention": True,
        "free_groups": ["f"],
    }
    async with kernel.running(build(), config={"bots": {"bot": settings}}):
        assert members(kernel, "admitted") == {"bot:1", "bot:7", "bot:8"}
        assert members(kernel, "admins") == {"bot:1"}
        assert members(kernel, "rooms") == {"bot:g"}
        assert members(kernel, "free") == {"bot:f"}


async def test_a_changed_configuration_holds_without_a_restart(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        kernel.configure({"bots": {"bot": {"allow": ["7"]}}})
        async with asyncio.timeout(10):
            while members(kernel, "admitted") != {"bot:7"}:
                await asyncio.sleep(0.02)


@pytest.mark.parametrize("config", [{"allow_all": True}, {"bots": {"bot": {"allow_all": True}}}])
async def test_everyone_is_admitted_when_said_so(kernel: FakeKernel, config: dict[str, Any]) -> None:
    async with kernel.running(build(), config=config):
        assert "*" in members(kernel, "admitted")


def test_who_is_shut_out_is_in_no_other_set() -> None:
    settings = of_bot({"bots": {"b": {"allow": ["1"], "admins": ["1"]}}}, "b")
    sets = members_of("b", settings, [Person("b", "1", "blocked"), Person("b", "2", USER)])
    assert sets["denied"] == {"b:1"}
    assert sets["admitted"] == {"b:2"}
    assert sets["admins"] == set()


async def test_a_stranger_gets_a_code_and_an_administrator_approves(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        code = code_in(await write(kernel, "hello"))
        assert await write(kernel, "hello again") == []
        assert (await command(kernel, f"pair {code.lower()[:4]}-{code[4:]}")).startswith("ann is admitted")
        assert members(kernel, "admitted") == {"bot:ann"}
        assert kernel.sent[-1].text == "Welcome! You may use this bot now."
        assert "does not count" in await command(kernel, f"pair {code}")


async def test_a_code_is_kept_as_a_salted_hash_and_never_logged(
    kernel: FakeKernel, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    async with kernel.running(build()):
        code = code_in(await write(kernel, "hello"))
        await command(kernel, f"pair {code}")
    for entry in kernel.state.kv.values():
        assert code.encode() not in entry.value
    assert all(code not in record.getMessage() for record in caplog.records)
    assert all(code not in record.message for record in kernel.state.log)


async def test_an_invitation_is_redeemed_once(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        code = code_in(await command(kernel, "pair"))
        assert await write(kernel, code, "bob", chat=Chat.group("g")) == []
        assert await write(kernel, f" {code} ", "bob") == ["Welcome! You may use this bot now."]
        assert members(kernel, "admitted") == {"bot:bob"}
        assert await write(kernel, code, "eve") == ["This code does not count, or not any more."]
        assert members(kernel, "admitted") == {"bot:bob"}


async def test_a_code_that_a_stranger_asked_for_admits_nobody_by_itself(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        code = code_in(await write(kernel, "hello"))
        assert await write(kernel, code) == ["This code does not count, or not any more."]
        assert members(kernel, "admitted") == set()


async def test_a_redelivery_tells_the_same_code(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        first = await kernel.deliver(message("hello", sender=User(id="ann")))
        assert (await first.outcome).done
        code = code_in(reply.text for reply in first.replies)
        again = await kernel.redeliver(first)
        assert (await again.outcome).done
        assert (await command(kernel, f"pair {code}")).startswith("ann is admitted")


async def test_three_codes_wait_at_most(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        for user in ("a", "b", "c"):
            code_in(await write(kernel, "hello", user))
        assert (await write(kernel, "hello", "d"))[0].startswith("Too many people wait")
        for _ in range(3):
            code_in(await command(kernel, "pair"))
        assert "Three codes wait" in await command(kernel, "pair")


async def test_five_wrong_codes_lock(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        code = code_in(await write(kernel, "hello"))
        for _ in range(5):
            assert "does not count" in await command(kernel, "pair AAAAAAAA")
        assert "Too many wrong codes" in await command(kernel, f"pair {code}")
        assert members(kernel, "admitted") == set()
        invitation = code_in(await command(kernel, "pair"))
        for _ in range(5):
            await write(kernel, "BBBBBBBB", "eve")
        assert await write(kernel, invitation, "eve") == ["Too many wrong codes. Try again in an hour."]
        assert await write(kernel, invitation, "eve") == []
        assert await write(kernel, invitation, "bob") == ["Welcome! You may use this bot now."]


@pytest.mark.parametrize(
    ("unknown", "told"), [("refuse", ["This bot is private. Ask its administrator."]), ("silent", [])]
)
async def test_strangers_are_answered_as_configured(
    kernel: FakeKernel, unknown: str, told: list[str]
) -> None:
    async with kernel.running(build(), config={"unknown": unknown}):
        assert await write(kernel, "hello") == told
        assert await write(kernel, "hello") == []


async def test_groups_rules_that_are_silent_and_bots_get_nothing(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        assert await write(kernel, "hello", chat=Chat.group("g")) == []
        assert await write(kernel, "hello", rule_config={"silent": True}) == []
        delivered = await kernel.deliver(message("hello", sender=User(id="r2", is_bot=True)))
        assert (await delivered.outcome).done
        assert delivered.replies == []


async def test_allow_block_and_revoke_hold_at_once(kernel: FakeKernel) -> None:
    async with kernel.running(build(), config={"bots": {"bot": {"allow": ["7"], "admins": ["root"]}}}):
        assert "admitted as admin" in await command(kernel, "allow 42 admin")
        assert members(kernel, "admins") == {"bot:42", "bot:root"}
        assert "shut out" in await command(kernel, "block 42")
        assert (members(kernel, "admins"), members(kernel, "denied")) == ({"bot:root"}, {"bot:42"})
        assert "not admitted any more" in await command(kernel, "revoke 42")
        assert members(kernel, "denied") == set()
        assert "shut out instead" in await command(kernel, "revoke 7")
        assert members(kernel, "denied") == {"bot:7"}
        assert "yourself" in await command(kernel, "block root")
        assert "Nobody is known" in await command(kernel, "revoke nobody")
        listed = await command(kernel, "users")
        assert "7: blocked (revoked)" in listed
        assert "root: admin (configuration)" in listed


@pytest.mark.parametrize(
    "text", ["allow", "allow *", "allow 1 king", "block", "revoke  ", "allow " + "x" * 300]
)
async def test_wrong_arguments_are_refused(kernel: FakeKernel, text: str) -> None:
    async with kernel.running(build()):
        with pytest.raises(InvalidArgument):
            await command(kernel, text)
        assert members(kernel, "admitted") == set()


async def test_decisions_outlive_the_plugin_and_are_pushed_again(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        await command(kernel, "allow odd:id/with%20signs")
    kernel.state.senders.clear()
    async with kernel.running(build()):
        assert members(kernel, "admitted") == {"bot:odd:id/with%20signs"}


async def test_a_crash_between_admission_and_end_leaves_no_code_behind(kernel: FakeKernel) -> None:
    async with kernel.running(build()):
        code = code_in(await command(kernel, "pair"))
        (pending,) = [key for key in kernel.state.kv if key.startswith("codes/")]
        kept = kernel.state.kv[pending]
        first = await kernel.deliver(message(code, sender=User(id="bob")))
        assert (await first.outcome).done
        # As if the plugin had died before the code was removed.
        kernel.state.kv[pending] = kept
        again = await kernel.redeliver(first)
        assert (await again.outcome).done
        assert pending not in kernel.state.kv
        assert members(kernel, "admitted") == {"bot:bob"}


async def test_ids_may_be_long(kernel: FakeKernel) -> None:
    user = "界" * 256
    async with kernel.running(build()):
        await command(kernel, f"allow {user}")
    assert all(len(key.encode()) <= 512 for key in kernel.state.kv)
    async with kernel.running(build()):
        assert members(kernel, "admitted") == {f"bot:{user}"}


def test_codes_use_the_whole_alphabet_and_nothing_else() -> None:
    codes = {code_of(b"k" * 32, str(number)) for number in range(2_000)}
    assert len(codes) == 2_000
    assert set("".join(codes)) == set(ALPHABET)
    assert len(ALPHABET) == 32
    assert not set("01OI") & set(ALPHABET)
    assert all(map(looks_like_code, codes))
    assert not looks_like_code("hello")
