"""Reads back what was said while no socket was open for longer than Slack tries again. Bounded; what it could not read is told as a gap."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jackfield_sdk import Event, JackfieldError, PlatformEvent

from jackfield_slack.account import Account
from jackfield_slack.convert.incoming import CONTENT, received

SHORTEST = 60.0
"""Seconds: shorter gaps are Slack's to fill by sending again."""
LONGEST = 23 * 3600.0
"""Seconds: what is older might be stored twice."""
MOST_CHANNELS = 50
PER_CHANNEL = 100


async def catch_up(account: Account, since: float, now: Callable[[], float] = time.time) -> int:
    """Publishes what was missed since a time; returns how many messages were read. A message that is known is stored once."""
    until = now()
    if not since or until - since < SHORTEST:
        return 0
    oldest = max(since, until - LONGEST)
    read, unread = 0, [] if oldest == since else ["*"]
    try:
        channels = await _channels(account)
        unread += channels[MOST_CHANNELS:]
    except JackfieldError as error:
        account.bot.log.warning("missed messages cannot be looked for: %s", error)
        channels, unread = [], ["*"]
    for number, channel in enumerate(channels[:MOST_CHANNELS]):
        try:
            count, more = await _read(account, channel, oldest)
        except JackfieldError as error:
            account.bot.log.warning("missed messages of %s are not read: %s", channel, error)
            unread.append(channel)
            if error.reason == "RATE_LIMITED":
                unread += channels[number + 1 : MOST_CHANNELS]
                break
            continue
        read += count
        unread += [channel] if more else []
    if unread:
        await account.bot.publish(_gap(since, until, unread), dedup_key=f"gap:{since:.0f}")
    if read or unread:
        account.bot.log.info(
            "caught up: %d messages read, %d channels in part or not at all", read, len(unread)
        )
    return read


async def _channels(account: Account) -> list[str]:
    answer = await account.web.read(
        "users.conversations",
        types="im,mpim,private_channel,public_channel",
        exclude_archived="true",
        limit=200,
    )
    found = []
    for channel in answer.get("channels", ()):
        name = str(channel.get("id", ""))
        account.me.learn(
            name, "im" if channel.get("is_im") else "mpim" if channel.get("is_mpim") else "channel"
        )
        found.append(name)
    return found


async def _read(account: Account, channel: str, oldest: float) -> tuple[int, bool]:
    """(messages published, whether older ones are left out)."""
    answer: dict[str, Any] = await account.web.read(
        "conversations.history", channel=channel, oldest=f"{oldest:.6f}", limit=PER_CHANNEL
    )
    count = 0
    for message in reversed(answer.get("messages", ())):
        if account.me.is_own(message) or str(message.get("subtype") or "") not in CONTENT:
            continue
        event = received(message, channel, account.me)
        await account.bot.publish(event, dedup_key=f"message:{channel}:{message['ts']}")
        count += 1
    return count, bool(answer.get("has_more"))


def _gap(since: float, until: float, channels: list[str]) -> Event:
    data = {
        "since": datetime.fromtimestamp(since, UTC).isoformat(),
        "until": datetime.fromtimestamp(until, UTC).isoformat(),
        "channels": sorted(set(channels)),
    }
    return Event(payload=PlatformEvent(action="gap", data=data))
