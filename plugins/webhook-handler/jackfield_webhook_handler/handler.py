"""The handler: post, keep the answer, do what it asks for."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from typing import Any

import aiohttp
from google.protobuf.json_format import MessageToDict
from jackfield_sdk import Context, Event, Plugin, PluginContext, convert

from jackfield_webhook_handler import __version__
from jackfield_webhook_handler.actions import perform
from jackfield_webhook_handler.addresses import CheckedResolver, Network
from jackfield_webhook_handler.posting import Poster
from jackfield_webhook_handler.settings import Settings

KEEP_SECONDS = 86_400
LARGEST_KEPT = 60 * 1024
_HIDDEN = ("raw", "raw_json", "raw_blob_id", "reply_context", "trace")


class WebhookHandler:
    """One session for all rules; so many requests at once as the configuration says."""

    async def open(self, plugin: PluginContext) -> None:
        """Before the first event."""
        self._plugin = plugin
        self._room = asyncio.Semaphore(int(plugin.config.get("max_in_flight") or 16))
        connector = aiohttp.TCPConnector(
            resolver=CheckedResolver(self._private), use_dns_cache=False, limit=128
        )
        self._http = aiohttp.ClientSession(
            connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True
        )
        self._poster = Poster(self._http, self._private)
        self._private()

    async def close(self, plugin: PluginContext) -> None:
        """After the last event."""
        await self._http.close()

    async def handle(self, ctx: Context, event: Event) -> None:
        """A redelivery after the answer came does not ask again: its actions go on where they were."""
        settings = Settings.of(self._plugin.config, ctx.rule_config)
        place = f"answer/{ctx.delivery_id}"[:512]
        kept = await ctx.kv.get(place) if settings.response_actions else None
        if kept is not None:
            answer = json.loads(kept)
        else:
            async with self._room:
                answer = await self._poster.post(settings, body_of(event), ctx.random())
            if not settings.response_actions or answer is None:
                return
            text = json.dumps({"actions": answer.get("actions")} if isinstance(answer, dict) else {})
            if len(text.encode()) > LARGEST_KEPT:
                ctx.log.warning("actions above 60 KiB are not done")
                return
            await ctx.kv.put(place, text, ttl=KEEP_SECONDS, now=True)
            answer = json.loads(text)
        await perform(ctx, answer, settings.allowed_actions)

    def _private(self) -> list[Network]:
        return [ipaddress.ip_network(text) for text in self._plugin.config.get("allow_private") or ()]


def body_of(event: Event) -> dict[str, Any]:
    """The event as the URL reads it; the platform's own update stays here."""
    shown = MessageToDict(convert.event_to_proto(event), preserving_proto_field_name=True)
    for name in _HIDDEN:
        shown.pop(name, None)
    shown |= {
        "event_id": event.id,
        "timestamp": event.time.timestamp() if event.time is not None else 0,
        "bot_uuid": event.bot,
        "adapter_name": event.platform,
    }
    return {"event": shown, "bot": {"uuid": event.bot, "name": event.bot, "adapter": event.platform}}


def build() -> Plugin:
    """The plugin, ready to run."""
    plugin = Plugin("webhook-handler", version=__version__)
    handler = WebhookHandler()
    plugin.setup(handler.open)
    plugin.teardown(handler.close)
    plugin.on("*")(handler.handle)
    return plugin
