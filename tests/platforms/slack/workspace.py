"""People, channels, messages and files, and the methods that read and change them. Words of errors are Slack's."""

from __future__ import annotations

import itertools
import time
from typing import Any

TEAM, BOT, ANN, BOB = "T1", "UBOT", "UANN", "UBOB"
GENERAL, PRIVATE_CHANNEL, DIRECT, MANY = "C1", "C2", "D1", "G1"


class Refused(Exception):
    """Answered as `ok: false`."""

    def __init__(self, word: str, **more: Any) -> None:
        self.word = word
        self.more = more


class Workspace:
    """Methods are named as Slack's, with an underscore for the dot."""

    def __init__(self) -> None:
        self.clock = itertools.count(int(time.time()))
        self.messages: dict[str, list[dict[str, Any]]] = {
            name: [] for name in (GENERAL, PRIVATE_CHANNEL, DIRECT, MANY)
        }
        self.members = {name: [ANN, BOB, BOT] for name in self.messages}
        self.names = {GENERAL: "general", PRIVATE_CHANNEL: "secret", MANY: "mpdm-1"}
        self.files: dict[str, dict[str, Any]] = {}
        self.reactions: set[tuple[str, str, str]] = set()
        self.pins: set[tuple[str, str]] = set()

    def ts(self) -> str:
        """A new one, later than all before."""
        return f"{next(self.clock)}.000100"

    def own_messages(self) -> list[dict[str, Any]]:
        """What the bot posted, in order."""
        every = [
            message for channel in self.messages.values() for message in channel if message.get("user") == BOT
        ]
        return sorted(every, key=lambda message: str(message["ts"]))

    def say(self, channel: str, text: str, user: str = ANN, **more: Any) -> dict[str, Any]:
        """Somebody writes; returns the message as events tell it."""
        kinds = {"C": "channel", "D": "im", "G": "mpim"}
        message = {
            "type": "message",
            "channel": channel,
            "channel_type": kinds[channel[0]],
            "user": user,
            "text": text,
            "ts": self.ts(),
            "team": TEAM,
            **more,
        }
        self.messages[channel].append(message)
        return {**message, "event_ts": message["ts"]}

    def _channel(self, arguments: dict[str, Any]) -> str:
        channel = arguments.get("channel") or arguments.get("channel_id")
        if channel not in self.messages:
            raise Refused("channel_not_found")
        if BOT not in self.members[channel]:
            raise Refused("not_in_channel")
        return str(channel)

    def _find(self, channel: str, ts: Any) -> dict[str, Any]:
        for message in self.messages[channel]:
            if message["ts"] == ts:
                return message
        raise Refused("message_not_found")

    def chat_postMessage(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        text, blocks = arguments.get("text") or "", arguments.get("blocks") or []
        if not text and not blocks:
            raise Refused("no_text")
        if len(text) > 40_000:
            raise Refused("msg_too_long")
        _check_blocks(blocks)
        message = {
            "type": "message",
            "channel": channel,
            "user": BOT,
            "bot_id": "B1",
            "text": text,
            "ts": self.ts(),
        }
        if blocks:
            message["blocks"] = blocks
        if metadata := arguments.get("metadata"):
            message["metadata"] = metadata
        if thread := arguments.get("thread_ts"):
            self._find(channel, thread)
            message["thread_ts"] = thread
        self.messages[channel].append(message)
        return {"channel": channel, "ts": message["ts"], "message": message}

    def chat_update(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        message = self._find(channel, arguments.get("ts"))
        if message["user"] != BOT:
            raise Refused("cant_update_message")
        if len(arguments.get("text") or "") > 4_000:
            raise Refused("msg_too_long")
        _check_blocks(arguments.get("blocks") or [])
        message["text"] = arguments.get("text")
        message["edited"] = {"user": BOT, "ts": self.ts()}
        return {"channel": channel, "ts": message["ts"], "text": message["text"]}

    def chat_delete(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        message = self._find(channel, arguments.get("ts"))
        self.messages[channel].remove(message)
        return {"channel": channel, "ts": message["ts"]}

    def chat_postEphemeral(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self._channel(arguments)
        return {"message_ts": self.ts()}

    def chat_getPermalink(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        message = self._find(channel, arguments.get("message_ts"))
        return {
            "channel": channel,
            "permalink": f"{url}/archives/{channel}/p{message['ts'].replace('.', '')}",
        }

    def reactions_add(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        one = self._reaction(arguments)
        if one in self.reactions:
            raise Refused("already_reacted")
        self.reactions.add(one)
        return {}

    def reactions_remove(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        one = self._reaction(arguments)
        if one not in self.reactions:
            raise Refused("no_reaction")
        self.reactions.discard(one)
        return {}

    def _reaction(self, arguments: dict[str, Any]) -> tuple[str, str, str]:
        channel = self._channel(arguments)
        self._find(channel, arguments.get("timestamp"))
        return channel, str(arguments["timestamp"]), str(arguments["name"])

    def pins_add(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        one = (self._channel(arguments), str(arguments["timestamp"]))
        if one in self.pins:
            raise Refused("already_pinned")
        self.pins.add(one)
        return {}

    def pins_remove(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        one = (self._channel(arguments), str(arguments["timestamp"]))
        if one not in self.pins:
            raise Refused("no_pin")
        self.pins.discard(one)
        return {}

    def conversations_history(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return {"messages": self._between(arguments, lambda message: not message.get("thread_ts"))}

    def conversations_replies(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        thread = arguments["ts"]
        return {"messages": self._between(arguments, lambda m: thread in (m["ts"], m.get("thread_ts")))}

    def _between(self, arguments: dict[str, Any], fits: Any) -> list[dict[str, Any]]:
        channel = self._channel(arguments)
        oldest, latest = str(arguments.get("oldest", "0")), str(arguments.get("latest", "9"))
        found = [m for m in self.messages[channel] if oldest <= m["ts"] <= latest and fits(m)]
        hidden = () if arguments.get("include_all_metadata") == "true" else ("metadata",)
        newest = found[::-1][: int(arguments.get("limit", 100))]
        return [{name: value for name, value in one.items() if name not in hidden} for one in newest]

    def conversations_info(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        return {"channel": self._shown(channel)}

    def _shown(self, channel: str) -> dict[str, Any]:
        if channel.startswith("D"):
            return {"id": channel, "is_im": True, "user": ANN}
        shown = {
            "id": channel,
            "name": self.names[channel],
            "num_members": len(self.members[channel]),
            "creator": ANN,
        }
        return {**shown, "is_mpim": channel.startswith("G"), "purpose": {"value": "talk"}}

    def users_conversations(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        direct = [DIRECT] if "im" in str(arguments.get("types", "")).split(",") else []
        mine = [*direct, *(name for name in self.names if BOT in self.members[name])]
        page, cursor = _page(mine, arguments)
        return {
            "channels": [self._shown(name) for name in page],
            "response_metadata": {"next_cursor": cursor},
        }

    def conversations_members(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        page, cursor = _page(self.members[self._channel(arguments)], arguments)
        return {"members": page, "response_metadata": {"next_cursor": cursor}}

    def conversations_rename(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        raise Refused("missing_scope", needed="channels:manage", provided="chat:write")

    def conversations_kick(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        if arguments["user"] not in self.members[channel]:
            raise Refused("not_in_channel")
        self.members[channel].remove(arguments["user"])
        return {}

    def conversations_leave(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        self.members[self._channel(arguments)].remove(BOT)
        return {}

    def users_info(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        people = {ANN: "Ann", BOB: "Bob"}
        if arguments.get("user") not in people:
            raise Refused("user_not_found")
        name = people[arguments["user"]]
        profile = {"display_name": name, "real_name": f"{name} X"}
        return {
            "user": {
                "id": arguments["user"],
                "name": name.lower(),
                "profile": profile,
                "is_admin": name == "Ann",
            }
        }

    def files_getUploadURLExternal(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if "filename" not in arguments or "length" not in arguments:
            raise Refused("invalid_arguments")
        file_id = f"F{len(self.files) + 1}"
        self.files[file_id] = {"id": file_id, "name": arguments["filename"], "size": int(arguments["length"])}
        return {"file_id": file_id, "upload_url": f"{url}/upload/{file_id}"}

    def files_completeUploadExternal(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        shared = []
        for one in arguments["files"]:
            file = self.files.get(one["id"])
            if file is None or "content" not in file:
                raise Refused("file_not_found")
            file |= {
                "title": one.get("title"),
                "channel": self._channel(arguments),
                "thread_ts": arguments.get("thread_ts"),
            }
            shared.append({"id": one["id"]})
        return {"files": shared}

    def files_info(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        file = self.files.get(str(arguments.get("file")))
        if file is None:
            raise Refused("file_not_found")
        shown = {name: value for name, value in file.items() if name != "content"}
        return {
            "file": {**shown, "mimetype": "image/png", "url_private_download": f"{url}/files/{file['id']}"}
        }

    def views_open(self, url: str, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("trigger_id") == "old":
            raise Refused("expired_trigger_id")
        return {"view": {"id": "V1", **arguments["view"]}}


def _page(items: list[str], arguments: dict[str, Any]) -> tuple[list[str], str]:
    start, size = int(arguments.get("cursor") or 0), int(arguments.get("limit", 100))
    end = start + size
    return items[start:end], str(end) if end < len(items) else ""


def _check_blocks(blocks: list[dict[str, Any]]) -> None:
    """Limits of Block Kit that a message must keep."""
    if len(blocks) > 50:
        raise Refused("invalid_blocks")
    ids = [block["block_id"] for block in blocks if "block_id" in block]
    if len(set(ids)) != len(ids) or any(len(one) > 255 for one in ids):
        raise Refused("invalid_blocks")
    for block in blocks:
        if block["type"] == "section" and not 1 <= len(block["text"]["text"]) <= 3000:
            raise Refused("invalid_blocks")
        if block["type"] == "actions":
            actions = [element["action_id"] for element in block["elements"]]
            if not 1 <= len(actions) <= 25 or len(set(actions)) != len(actions):
                raise Refused("invalid_blocks")
            for element in block["elements"]:
                if element["type"] == "button" and len(element["text"]["text"]) > 75:
                    raise Refused("invalid_blocks")
