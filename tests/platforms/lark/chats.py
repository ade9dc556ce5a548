"""Chats, messages, people and files, with the refusals that Lark has for what does not fit."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from typing import Any

APP_ID = "cli_a1b2c3d4e5f6g7h8"
BOT, ANN, BOB = "ou_bot", "ou_ann", "ou_bob"
DIRECT, TEAM = "oc_direct1", "oc_team1"
LARGEST = {"text": 150_000, "post": 30_000, "interactive": 30_000}
TYPES = ("text", "post", "image", "file", "audio", "media", "sticker", "interactive", "share_chat")


class Refused(Exception):
    """Lark's code."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass
class Chats:
    """What the platform holds."""

    messages: dict[str, dict[str, Any]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=lambda: {TEAM: "Team"})
    members: dict[str, list[str]] = field(
        default_factory=lambda: {TEAM: [ANN, BOB, APP_ID], DIRECT: [ANN, APP_ID]}
    )
    files: dict[str, bytes] = field(default_factory=dict)
    reactions: dict[str, dict[str, Any]] = field(default_factory=dict)
    pins: set[str] = field(default_factory=set)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def number(self) -> int:
        """Never the same twice."""
        return next(self._numbers)

    def said(
        self, chat: str, kind: str, content: dict[str, Any], sender: str = ANN, **more: Any
    ) -> dict[str, Any]:
        """A message of a user, as an event tells it."""
        message_id = f"om_{self.number()}"
        item = {
            "message_id": message_id, "chat_id": chat, "msg_type": kind, "create_time": "1760000000000", "update_time": "1760000000000",
            "body": {"content": json.dumps(content)}, "sender": {"id": sender, "id_type": "open_id", "sender_type": "user"}, **more,
        }  # fmt: skip
        self.messages[message_id] = item
        return {
            "message_id": message_id, "chat_id": chat, "chat_type": "p2p" if chat == DIRECT else "group", "message_type": kind,
            "create_time": item["create_time"], "content": item["body"]["content"], **more,
        }  # fmt: skip

    def find(self, message_id: str) -> dict[str, Any]:
        """A message that is there."""
        if message_id not in self.messages:
            raise Refused(230110)
        return self.messages[message_id]

    def post(self, chat: str, body: dict[str, Any], **more: Any) -> dict[str, Any]:
        """A message of the bot; a key that was used gives the message that it gave."""
        if chat not in self.members:
            raise Refused(230001)
        if APP_ID not in self.members[chat]:
            raise Refused(230002)
        key = str(body.get("uuid") or "")
        if len(key) > 50:
            raise Refused(230001)
        if key and key in self.keys:
            return self.messages[self.keys[key]]
        kind, content = body.get("msg_type"), body.get("content")
        self.check(kind, content)
        message_id = f"om_{self.number()}"
        item = {
            "message_id": message_id, "chat_id": chat, "msg_type": kind, "create_time": "1760000000000", "body": {"content": content},
            "sender": {"id": APP_ID, "id_type": "app_id", "sender_type": "app"}, **more,
        }  # fmt: skip
        self.messages[message_id] = item
        if key:
            self.keys[key] = message_id
        return item

    def check(self, kind: Any, content: Any) -> None:
        """Types, sizes and the shape of the content."""
        if kind not in TYPES or not isinstance(content, str):
            raise Refused(230001)
        found = json.loads(content)
        if len(content.encode()) > LARGEST.get(kind, 30_000):
            raise Refused(230025)
        if kind == "text" and not isinstance(found.get("text"), str):
            raise Refused(230001)
        if kind == "post":
            for paragraph in found["zh_cn"]["content"]:
                tags = [element["tag"] for element in paragraph]
                if "md" in tags and len(tags) > 1:
                    raise Refused(230001)
        if kind == "image" and found.get("image_key") not in self.files:
            raise Refused(230055)
        if kind in ("file", "audio", "media") and found.get("file_key") not in self.files:
            raise Refused(230055)
        if kind == "interactive":
            check_card(found)

    def edit(self, message_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Texts and posts, twenty times."""
        item = self._own(message_id)
        if item["msg_type"] not in ("text", "post") or body.get("msg_type") not in ("text", "post"):
            raise Refused(230001)
        self.check(body["msg_type"], body.get("content"))
        item["edits"] = item.get("edits", 0) + 1
        if item["edits"] > 20:
            raise Refused(230072)
        item |= {"msg_type": body["msg_type"], "body": {"content": body["content"]}, "updated": True}
        return item

    def update(self, message_id: str, body: dict[str, Any]) -> dict[str, Any]:
        """Cards."""
        item = self._own(message_id)
        if item["msg_type"] != "interactive":
            raise Refused(230001)
        self.check("interactive", body.get("content"))
        if not json.loads(item["body"]["content"]).get("config", {}).get("update_multi"):
            raise Refused(230099)
        item["body"] = {"content": body["content"]}
        return {}

    def _own(self, message_id: str) -> dict[str, Any]:
        item = self.find(message_id)
        if item["sender"]["id"] != APP_ID:
            raise Refused(230027)
        return item


def check_card(found: dict[str, Any]) -> None:
    """Of schema 2.0: known tags, unique names, forms with a button that sends them."""
    if found.get("schema") != "2.0" or not isinstance(found["body"]["elements"], list):
        raise Refused(230099)
    names: list[str] = []
    for element in found["body"]["elements"]:
        inner = element["elements"] if element["tag"] == "form" else []
        if element["tag"] == "form":
            names.append(element["name"])
            if not any(one.get("form_action_type") == "submit" for one in inner):
                raise Refused(230099)
        for one in (element, *inner):
            if one["tag"] not in (
                "markdown",
                "div",
                "button",
                "select_static",
                "multi_select_static",
                "form",
                "input",
                "date_picker",
            ):
                raise Refused(230099)
        names += [one["name"] for one in inner if "name" in one]
    if len(set(names)) != len(names):
        raise Refused(230099)


def text_of(kind: str, content: str) -> str:
    """What people read."""
    found = json.loads(content)
    if kind == "text":
        return str(found["text"])
    if kind == "post":
        return "\n".join(
            "".join(str(one.get("text", "")) for one in line) for line in found["zh_cn"]["content"]
        )
    if kind == "interactive":
        return "\n".join(
            str(one.get("content") or one.get("text", {}).get("content", ""))
            for one in found["body"]["elements"]
            if one["tag"] in ("markdown", "div")
        )
    return ""
