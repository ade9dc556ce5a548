"""The REST API: the methods that the adapter uses, with the refusals that Discord has for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.platforms.discord import world

if TYPE_CHECKING:
    from tests.platforms.discord.server import Server

LONGEST = 2000
Files = list[tuple[str, bytes]]


class Refused(Exception):
    """An answer other than 2xx."""

    def __init__(self, status: int, code: int, message: str, errors: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, **({"errors": errors} if errors else {})}


class Methods:
    """Everything that is stored, and what requests do with it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.channels = world.channels()
        self.members = world.members()
        self.messages: dict[str, list[dict[str, Any]]] = {}
        self.files: dict[str, bytes] = {}
        self.commands: list[dict[str, Any]] = []
        self.deferred: dict[str, int] = {}
        self.tokens: dict[str, str] = {}
        self.reactions: set[tuple[str, str]] = set()
        self._nonces: dict[str, dict[str, Any]] = {}

    def store(self, channel: str, fields: dict[str, Any]) -> dict[str, Any]:
        """A message from now on."""
        message = {
            "id": world.snowflake(),
            "type": 0,
            "channel_id": channel,
            "timestamp": datetime.now(UTC).isoformat(),
            "edited_timestamp": None,
            "mentions": [],
            "mention_everyone": False,
            "mention_roles": [],
            "attachments": [],
            "embeds": [],
            "flags": 0,
            **fields,
        }
        self.messages.setdefault(channel, []).append(message)
        self.channels[channel]["last_message_id"] = message["id"]
        return message

    def told(self, message: dict[str, Any]) -> dict[str, Any]:
        """As the gateway says it."""
        channel = self.channels[message["channel_id"]]
        more = {"channel_type": channel["type"]}
        if guild := channel.get("guild_id"):
            more["guild_id"] = guild
            more["member"] = {"nick": None, "roles": []}
        return {**message, **more}

    def guild_create(self) -> dict[str, Any]:
        """The server with everything in it."""
        inside = [channel for channel in self.channels.values() if channel.get("guild_id")]
        return {
            **world.guild(),
            "channels": [channel for channel in inside if channel["type"] not in (10, 11, 12)],
            "threads": [channel for channel in inside if channel["type"] in (10, 11, 12)],
            "members": self.members,
        }

    async def answer(self, method: str, path: str, body: Any, files: Files, query: dict[str, str]) -> Any:
        """The answer to one request; None for an empty one."""
        for wanted, pattern, serve in _ROUTES:
            if wanted == method and (found := re.fullmatch(pattern, path)):
                return await serve(self, *found.groups(), body=body, files=files, query=query)
        raise Refused(404, 0, "404: Not Found")

    # Messages.

    def channel(self, channel: str) -> dict[str, Any]:
        if channel not in self.channels:
            raise Refused(404, 10003, "Unknown Channel")
        return self.channels[channel]

    def message(self, channel: str, message: str) -> dict[str, Any]:
        self.channel(channel)
        for found in self.messages.get(channel, ()):
            if found["id"] == message:
                return found
        raise Refused(404, 10008, "Unknown Message")

    def check(self, body: dict[str, Any], files: Files) -> None:
        if len(body.get("content") or "") > LONGEST:
            wrong = {"code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer in length."}
            raise Refused(400, 50035, "Invalid Form Body", {"content": {"_errors": [wrong]}})
        if sum(len(data) for _, data in files) > 10 << 20:
            raise Refused(413, 40005, "Request entity too large")
        filled = any(
            body.get(name)
            for name in ("content", "embeds", "sticker_ids", "components", "poll", "message_reference")
        )
        if not filled and not files:
            raise Refused(400, 50006, "Cannot send an empty message")

    async def post(self, channel: str, body: dict[str, Any], files: Files) -> dict[str, Any]:
        """A message of the bot."""
        self.channel(channel)
        self.check(body, files)
        nonce = body.get("nonce")
        if nonce and body.get("enforce_nonce") and nonce in self._nonces:
            return self._nonces[nonce]
        fields = {
            key: value for key, value in body.items() if key not in ("allowed_mentions", "enforce_nonce")
        }
        message = self.store(channel, {**fields, "author": world.ME})
        message["attachments"] = [self._attached(message["id"], name, data) for name, data in files]
        if nonce:
            self._nonces[nonce] = message
        await self._server.dispatch("MESSAGE_CREATE", self.told(message))
        return message

    def _attached(self, message: str, name: str, data: bytes) -> dict[str, Any]:
        return self.attachment(name, data)

    def attachment(self, name: str, data: bytes, mime: str = "application/octet-stream") -> dict[str, Any]:
        """A file on the content server."""
        attachment_id = world.snowflake()
        self.files[f"{attachment_id}/{name}"] = data
        base = self._server.url.removesuffix("/api/v10")
        return {
            "id": attachment_id,
            "filename": name,
            "size": len(data),
            "content_type": mime,
            "url": f"{base}/cdn/{attachment_id}/{name}?ex=1",
        }


async def _me(self: Methods, **_: Any) -> Any:
    return world.ME


async def _application(self: Methods, **_: Any) -> Any:
    return {"id": world.APPLICATION, "name": "jack", "flags": 0}


async def _gateway_bot(self: Methods, **_: Any) -> Any:
    limit = {"total": 1000, "remaining": self._server.remaining, "reset_after": 5000, "max_concurrency": 1}
    return {"url": self._server.gateway_url, "shards": 1, "session_start_limit": limit}


async def _channel(self: Methods, channel: str, **_: Any) -> Any:
    return self.channel(channel)


async def _history(self: Methods, channel: str, query: dict[str, str], **_: Any) -> Any:
    self.channel(channel)
    after, limit = int(query.get("after", 0)), int(query.get("limit", 50))
    found = [message for message in self.messages.get(channel, ()) if int(message["id"]) > after][:limit]
    return list(reversed(found))


async def _post(self: Methods, channel: str, body: Any, files: Files, **_: Any) -> Any:
    return await self.post(channel, body or {}, files)


async def _read(self: Methods, channel: str, message: str, **_: Any) -> Any:
    return self.message(channel, message)


async def _edit(self: Methods, channel: str, message: str, body: Any, files: Files, **_: Any) -> Any:
    found = self.message(channel, message)
    if found["author"]["id"] != world.ME["id"]:
        raise Refused(403, 50005, "Cannot edit a message authored by another user")
    self.check(body, files)
    found.update({key: value for key, value in body.items() if key != "allowed_mentions"})
    found["edited_timestamp"] = datetime.now(UTC).isoformat()
    await self._server.dispatch("MESSAGE_UPDATE", self.told(found))
    return found


async def _delete(self: Methods, channel: str, message: str, **_: Any) -> Any:
    self.messages[channel].remove(self.message(channel, message))


async def _react(self: Methods, channel: str, message: str, emoji: str, **_: Any) -> Any:
    self.message(channel, message)
    self.reactions.add((message, emoji))


async def _unreact(self: Methods, channel: str, message: str, emoji: str, **_: Any) -> Any:
    self.message(channel, message)
    if (message, emoji) not in self.reactions:
        raise Refused(404, 10014, "Unknown Emoji")
    self.reactions.remove((message, emoji))


async def _nothing(self: Methods, *_: str, **__: Any) -> Any:
    return None


async def _open_private(self: Methods, body: Any, **_: Any) -> Any:
    if body["recipient_id"] != world.ANN["id"]:
        raise Refused(400, 50033, "Invalid Recipient(s)")
    return self.channels[world.PRIVATE]


async def _callback(self: Methods, interaction: str, token: str, body: Any, **_: Any) -> Any:
    if token not in self.tokens:
        raise Refused(404, 10062, "Unknown interaction")
    if interaction in self.deferred:
        raise Refused(400, 40060, "Interaction has already been acknowledged.")
    self.deferred[interaction] = body["type"]


async def _follow_up(self: Methods, application: str, token: str, body: Any, files: Files, **_: Any) -> Any:
    if token not in self.tokens:
        raise Refused(404, 10015, "Unknown Webhook")
    return await self.post(self.tokens[token], body, files)


async def _replace(self: Methods, application: str, token: str, body: Any, files: Files, **_: Any) -> Any:
    if token not in self.tokens:
        raise Refused(404, 10015, "Unknown Webhook")
    self.check(body, files)
    return {"id": world.snowflake(), **body}


async def _guild(self: Methods, guild: str, **_: Any) -> Any:
    if guild != world.GUILD:
        raise Refused(404, 10004, "Unknown Guild")
    return world.guild()


async def _guilds(self: Methods, query: dict[str, str], **_: Any) -> Any:
    listed = [world.guild()] if int(query.get("after", 0)) < int(world.GUILD) else []
    return listed[: int(query.get("limit", 200))]


async def _members(self: Methods, guild: str, query: dict[str, str], **_: Any) -> Any:
    after, limit = int(query.get("after", 0)), int(query.get("limit", 1))
    return [one for one in self.members if int(one["user"]["id"]) > after][:limit]


def _found(self: Methods, user: str) -> dict[str, Any]:
    for one in self.members:
        if one["user"]["id"] == user:
            return one
    raise Refused(404, 10007, "Unknown Member")


async def _member(self: Methods, guild: str, user: str, **_: Any) -> Any:
    return _found(self, user)


async def _change_member(self: Methods, guild: str, user: str, body: Any, **_: Any) -> Any:
    if user == world.ANN["id"]:
        raise Refused(403, 50013, "Missing Permissions")
    member = _found(self, user)
    member.update(body)
    return member


async def _user(self: Methods, user: str, **_: Any) -> Any:
    return _found(self, user)["user"]


async def _thread(self: Methods, channel: str, *_: str, body: Any, **__: Any) -> Any:
    if self.channel(channel)["type"] == 15 and not body.get("message"):
        raise Refused(
            400, 50035, "Invalid Form Body", {"message": {"_errors": [{"message": "This field is required"}]}}
        )
    thread = {
        "id": world.snowflake(),
        "type": 11,
        "guild_id": world.GUILD,
        "name": body["name"],
        "parent_id": channel,
    }
    self.channels[thread["id"]] = thread
    return thread


async def _commands(self: Methods, application: str, **_: Any) -> Any:
    return self.commands


async def _add_command(self: Methods, application: str, body: Any, **_: Any) -> Any:
    self.commands = [one for one in self.commands if one["name"] != body["name"]]
    self.commands.append({"id": world.snowflake(), **body})
    return self.commands[-1]


async def _remove_command(self: Methods, application: str, command: str, **_: Any) -> Any:
    self.commands = [one for one in self.commands if one["id"] != command]


async def _listed(self: Methods, guild: str, **_: Any) -> Any:
    return world.guild()["roles"]


Serve = Callable[..., Any]
_ID = r"(\d+)"
_ROUTES: list[tuple[str, str, Serve]] = [
    ("GET", "users/@me", _me),
    ("GET", "applications/@me", _application),
    ("GET", "gateway/bot", _gateway_bot),
    ("POST", "users/@me/channels", _open_private),
    ("GET", f"channels/{_ID}", _channel),
    ("GET", f"channels/{_ID}/messages", _history),
    ("POST", f"channels/{_ID}/messages", _post),
    ("GET", f"channels/{_ID}/messages/{_ID}", _read),
    ("PATCH", f"channels/{_ID}/messages/{_ID}", _edit),
    ("DELETE", f"channels/{_ID}/messages/{_ID}", _delete),
    ("PUT", f"channels/{_ID}/messages/pins/{_ID}", _nothing),
    ("DELETE", f"channels/{_ID}/messages/pins/{_ID}", _nothing),
    ("PUT", f"channels/{_ID}/messages/{_ID}/reactions/([^/]+)/@me", _react),
    ("DELETE", f"channels/{_ID}/messages/{_ID}/reactions/([^/]+)/@me", _unreact),
    ("POST", f"channels/{_ID}/typing", _nothing),
    ("POST", f"interactions/{_ID}/([^/]+)/callback", _callback),
    ("POST", f"webhooks/{_ID}/([^/]+)", _follow_up),
    ("PATCH", f"webhooks/{_ID}/([^/]+)/messages/@original", _replace),
    ("GET", f"guilds/{_ID}", _guild),
    ("PATCH", f"guilds/{_ID}", _guild),
    ("GET", "users/@me/guilds", _guilds),
    ("DELETE", f"users/@me/guilds/{_ID}", _nothing),
    ("GET", f"guilds/{_ID}/members", _members),
    ("GET", f"guilds/{_ID}/members/{_ID}", _member),
    ("PATCH", f"guilds/{_ID}/members/{_ID}", _change_member),
    ("DELETE", f"guilds/{_ID}/members/{_ID}", _nothing),
    ("GET", f"guilds/{_ID}/roles", _listed),
    ("PUT", f"guilds/{_ID}/bans/{_ID}", _nothing),
    ("GET", f"users/{_ID}", _user),
    ("POST", f"channels/{_ID}/threads", _thread),
    ("POST", f"channels/{_ID}/messages/{_ID}/threads", _thread),
    ("GET", f"applications/{_ID}/commands", _commands),
    ("POST", f"applications/{_ID}/commands", _add_command),
    ("DELETE", f"applications/{_ID}/commands/{_ID}", _remove_command),
]
