"""Files on their way in and out: from the chat to the assistant, and back."""

from __future__ import annotations

from jackfield.v1 import adapter_message_pb2
from jackfield_sdk import (
    Event,
    File,
    Image,
    JackfieldError,
    Media,
    Message,
    PluginContext,
    Segment,
    Target,
    Video,
    Voice,
)

from jackfield_runners.dify import absolute
from jackfield_runners.pieces import Link
from jackfield_runners.question import Attachment, media_in
from jackfield_runners.settings import Settings, same_host
from jackfield_runners.wire import Wire

FETCH = "/jackfield.v1.Adapter/FetchMedia"
MOST_MEDIA = 8
LARGEST_MEDIA = 10 * 1024 * 1024
_TYPES = {Image: "image/png", Voice: "audio/mpeg", Video: "video/mp4"}


async def attachments(plugin: PluginContext, event: Event, message: Message) -> list[Attachment]:
    """The bytes of a message's media. What cannot be had, or is above 10 MiB, is left out and logged."""
    found = []
    for segment, media in media_in(message)[:MOST_MEDIA]:
        if media.size > LARGEST_MEDIA:
            plugin.log.warning("a file of %d bytes is left out: it is above %d", media.size, LARGEST_MEDIA)
            continue
        try:
            data, mime = await _bytes(plugin, event, media)
        except JackfieldError as error:
            plugin.log.warning("a file of the message is left out: %s", error)
            continue
        if data:
            mime = mime or _TYPES.get(type(segment), "application/octet-stream")
            found.append(Attachment(data, mime, media.name or f"file.{mime.rpartition('/')[2]}"))
    return found


async def _bytes(plugin: PluginContext, event: Event, media: Media) -> tuple[bytes, str]:
    if media.blob_id:
        return await plugin.get_blob(media.blob_id), media.mime
    if not media.platform_id:
        return b"", ""
    request = adapter_message_pb2.FetchMediaRequest(
        platform_id=media.platform_id, message_id=event.message_id, max_bytes=LARGEST_MEDIA
    )
    parts: list[bytes] = []
    mime = media.mime
    # Asked outside the delivery: a stream of pieces has no record.
    target = Target(bot=event.bot, chat=event.chat)
    async for chunk in plugin.call_stream(
        FETCH, request, adapter_message_pb2.FetchMediaResponse, target=target
    ):
        parts.append(chunk.data)
        mime = mime or chunk.mime
    return b"".join(parts), mime


async def segment_of(plugin: PluginContext, wire: Wire, settings: Settings, link: Link) -> Segment:
    """A file of the answer as a segment. One that stands at the assistant's own server is fetched, since nobody else may reach
    that; any other address is handed on."""
    url = absolute(settings.url, link.url)
    media = Media(url=url, name=link.name)
    if same_host(url, settings.url):
        try:
            async with wire.asked("GET", url) as answering:
                mime = answering.response.headers.get("content-type", "").partition(";")[0].strip()
                data = await answering.read(LARGEST_MEDIA)
            media = await plugin.put_blob(data, mime=mime, name=link.name)
        except JackfieldError as error:
            plugin.log.warning("a file of the answer cannot be fetched, its address is handed on: %s", error)
    kind = link.kind if link.kind in ("image", "audio", "video") else media.mime.partition("/")[0]
    match kind:
        case "image":
            return Image(media)
        case "audio":
            return Voice(media)
        case "video":
            return Video(media)
    return File(media)
