"""A bot's configuration as the adapter uses it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jackfield_sdk import InvalidArgument

from jackfield_irc.line import encoded, is_channel


@dataclass(frozen=True)
class Settings:
    """`channels` are names with their keys; an empty key is none."""

    server: str
    port: int
    tls: ssl.SSLContext | None
    nick: str
    account: str
    password: str
    server_password: str
    realname: str
    channels: tuple[tuple[str, str], ...]
    flood_lines: int
    flood_seconds: float
    most_lines: int


def read(config: Mapping[str, Any]) -> Settings:
    """Raises InvalidArgument that names the key."""
    for key in ("server", "nick"):
        if not str(config.get(key) or "").strip():
            raise InvalidArgument(
                f"the bot has no {key}", remedy=f"Set `{key}` of the bot.", metadata={"field": key}
            )
    nick = str(config["nick"])
    if " " in nick or is_channel(nick) or nick[0].isdigit():
        raise InvalidArgument(f"{nick!r} is no nickname", metadata={"field": "nick"})
    return Settings(
        server=str(config["server"]),
        port=int(config.get("port") or 6697),
        tls=_tls(config) if config.get("tls", True) else None,
        nick=nick,
        account=str(config.get("account") or nick),
        password=str(config.get("password") or ""),
        server_password=str(config.get("server_password") or ""),
        realname=str(config.get("realname") or "Jackfield"),
        channels=tuple(_channel(str(one)) for one in config.get("channels") or ()),
        flood_lines=int(config.get("flood_lines", 5)),
        flood_seconds=float(config.get("flood_seconds", 2.0)),
        most_lines=int(config.get("most_lines", 20)),
    )


def _channel(text: str) -> tuple[str, str]:
    name, _, key = text.strip().partition(" ")
    try:
        encoded("JOIN", name, key)
    except ValueError as error:
        raise InvalidArgument(f"{text!r} is no channel: {error}", metadata={"field": "channels"}) from error
    if not is_channel(name):
        raise InvalidArgument(
            f"{text!r} is no channel", remedy="Write `#name`, or `#name key`.", metadata={"field": "channels"}
        )
    return name, key


def _tls(config: Mapping[str, Any]) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(config["ca_file"]) if config.get("ca_file") else None)
    except OSError as error:
        raise InvalidArgument(
            f"ca_file cannot be read: {error.strerror}", metadata={"field": "ca_file"}
        ) from error
