"""Notices are counted, coalesced, sent once, and lead nowhere back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from jackfield_notices.digest import MAX_LINES, OTHERS, Digest
from jackfield_notices.notices import build
from jackfield_notices.settings import read
from jackfield_notices.texts import SHOWN, notice
from jackfield_sdk import Event
from jackfield_sdk.payload import CustomEvent
from jackfield_sdk.testing import FakeKernel

CONFIG = {"target": "web:private:alice", "every": "1h"}


def told(name: str, plugin: str = "kernel", **values: Any) -> Event:
    return Event(id=uuid.uuid4().hex, type=f"kernel.{name}", plugin=plugin, payload=CustomEvent(values))


@pytest.fixture
async def kernel() -> AsyncIterator[FakeKernel]:
    async with FakeKernel() as kernel:
        yield kernel


async def until_sent(kernel: FakeKernel, count: int) -> list[str]:
    async with asyncio.timeout(5):
        while len(kernel.sent) < count:
            await asyncio.sleep(0.005)
    return [sent.message.text for sent in kernel.sent]


async def test_many_occasions_are_one_notice_with_counts(kernel: FakeKernel) -> None:
    async with kernel.running(build(gather=0.2), config=CONFIG, grants=["send", "kv"]):
        for _ in range(20):
            await kernel.observe(told("dead_letter", handler="echo", reason="POISON", message="secret chat"))
        await kernel.observe(told("plugin_parked", plugin="kernel", reason="CRASHED", message="It ended."))
        (text,) = await until_sent(kernel, 1)
    assert "Dead letters: 20\n- echo [POISON] (× 20)" in text
    assert "secret chat" not in text
    assert "jackfield status" in text


async def test_nothing_is_told_of_what_others_write_or_nobody_asked_for(kernel: FakeKernel) -> None:
    config = {**CONFIG, "on": ["bot_failed"]}
    async with kernel.running(build(gather=0), config=config, grants=["send", "kv"]):
        await kernel.observe(told("bot_failed", plugin="adapter", bot="fake"))
        await kernel.observe(told("dead_letter", handler="echo", reason="POISON"))
        await kernel.observe(told("dead_letter", handler="notices", reason="POISON"))
        await kernel.observe(told("bot_failed", bot="web", reason="AUTH_EXPIRED", message="no token"))
        (text,) = await until_sent(kernel, 1)
    assert text.startswith("⚠ Bots failed: 1\n- web: no token [AUTH_EXPIRED]")


async def test_what_was_seen_outlives_the_process_and_an_event_that_comes_again_counts_once(
    kernel: FakeKernel,
) -> None:
    event = told("dead_letter", handler="echo", reason="POISON")
    quiet = {"every": "1h"}
    async with kernel.running(build(gather=0), config=quiet, grants=["send", "kv"]):
        await kernel.observe(event)
    assert kernel.sent == []
    async with kernel.running(build(gather=0.1), config=CONFIG, grants=["send", "kv"]):
        await kernel.observe(event)
        (text,) = await until_sent(kernel, 1)
    assert "Dead letters: 1\n" in text


async def test_a_notice_that_was_frozen_before_a_crash_is_sent_under_the_same_key(kernel: FakeKernel) -> None:
    async with kernel.running(build(gather=0), config={"every": "1h"}, grants=["send", "kv"]) as running:
        digest = Digest(running.runtime.context.kv)
        await digest.add("1", "bot_failed", {"bot": "web", "reason": "UNAVAILABLE"})
        await digest.freeze("en")
        key, text = digest.key, digest.sending
        again = Digest(running.runtime.context.kv)
        await again.load()
        await again.add("2", "bot_failed", {"bot": "other"})
        await again.freeze("en")
        assert (again.key, again.sending) == (key, text)
        await again.sent()
        await again.freeze("en")
        assert again.key != key
        assert "other" in again.sending


async def test_a_flood_of_different_lines_stays_bounded(kernel: FakeKernel) -> None:
    async with kernel.running(build(gather=0), config={"every": "1h"}, grants=["kv"]) as running:
        digest = Digest(running.runtime.context.kv)
        for number in range(MAX_LINES + 30):
            await digest.add(str(number), "dead_letter", {"handler": f"h{number}", "reason": "POISON"})
        await digest.freeze("zh")
    assert f"死信: {MAX_LINES + 30}" in digest.sending
    assert len(digest.sending.splitlines()) == SHOWN + 3
    assert OTHERS not in digest.sending


def test_settings_have_defaults() -> None:
    settings = read({"target": "web:a", "every": "90s"})
    assert settings.every == 90.0
    assert "journal_stuck" in settings.occasions
    assert notice({"journal_stuck": {"12 s": 1}}, "en").startswith("⚠ The journal was stuck: 1")
