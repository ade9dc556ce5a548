"""What a user sent, as a model can read it."""

from __future__ import annotations

from jackfield.v1 import adapter_message_pb2, model_pb2
from jackfield_sdk import (
    Context,
    Event,
    File,
    Image,
    JackfieldError,
    Media,
    Message,
    PluginContext,
    Quote,
    Segment,
    Target,
    Text,
    Video,
    Voice,
    convert,
)

from jackfield_agent.prompts import render

FETCH = "/jackfield.v1.Adapter/FetchMedia"
MOST_MEDIA = 8
LARGEST_IMAGE = 8 * 1024 * 1024
LARGEST_TEXT = 64 * 1024
LONGEST_QUOTE = 500
_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/yaml", "application/x-yaml")


class Incoming:
    """Reads events for one delivery. `vision`: the model sees images."""

    def __init__(self, ctx: Context, plugin: PluginContext, vision: bool) -> None:
        self._ctx = ctx
        self._plugin = plugin
        self._vision = vision
        self._fetched = 0

    async def read(self, template: str) -> model_pb2.ModelMessage:
        """The user's turn: the message and those merged with it, or the prompt for any other event."""
        event = self._ctx.event
        turn = model_pb2.ModelMessage(role=model_pb2.MODEL_ROLE_USER)
        if event.message:
            segments: list[Segment] = []
            for one in (event, *self._ctx.merged):
                if segments:
                    segments.append(Text("\n"))
                segments += await self._segments(one)
            message = Message(segments)
        else:
            message = Message(render(template, event))
        turn.content.CopyFrom(convert.message_to_proto(message))
        return turn

    async def _segments(self, event: Event) -> list[Segment]:
        found: list[Segment] = []
        if not event.is_private and event.sender is not None:
            name = event.sender.remark or event.sender.nickname or event.sender.username or event.sender.id
            found.append(Text(f"{name}: "))
        for segment in event.message:
            if isinstance(segment, Text):
                found.append(Text(segment.text))
            elif isinstance(segment, Quote):
                if segment.origin is not None:
                    found.append(Text(f"(about: {segment.origin.plain()[:LONGEST_QUOTE]})\n"))
            elif isinstance(segment, Image):
                found.append(await self._image(event, segment))
            elif isinstance(segment, File):
                found.append(await self._file(event, segment))
            else:
                found.append(Text(Message(segment).plain()))
        return found

    async def _image(self, event: Event, image: Image) -> Segment:
        if image.media is None or not self._vision:
            return Text("[Image]")
        if image.media.url or image.media.blob_id:
            return image
        fetched = await self._fetch(event, image.media, LARGEST_IMAGE)
        if fetched is None:
            return Text("[Image that could not be read]")
        data, mime = fetched
        return Image(await self._plugin.put_blob(data, mime=mime or "image/jpeg"))

    async def _file(self, event: Event, file: File) -> Segment:
        """Text is read; of any other file the name is told."""
        media = file.media
        label = Message(file).plain()
        if media is None or not media.mime.startswith(_TEXT_TYPES):
            return Text(label)
        if media.blob_id:
            data = (await self._plugin.get_blob(media.blob_id))[: LARGEST_TEXT + 1]
        elif media.platform_id and (fetched := await self._fetch(event, media, LARGEST_TEXT)):
            data = fetched[0]
        else:
            return Text(label)
        text = data[:LARGEST_TEXT].decode(errors="replace")
        return Text(f"{label}:\n{text}" + ("\n[the rest was left out]" if len(data) > LARGEST_TEXT else ""))

    async def _fetch(self, event: Event, media: Media, largest: int) -> tuple[bytes, str] | None:
        """Bytes and type behind a handle of the platform. Asked outside the delivery: a stream of pieces has no record."""
        if not media.platform_id or self._fetched >= MOST_MEDIA or media.size > largest:
            return None
        self._fetched += 1
        request = adapter_message_pb2.FetchMediaRequest(
            platform_id=media.platform_id, message_id=event.message_id, max_bytes=largest
        )
        target = Target(bot=event.bot, chat=event.chat)
        parts: list[bytes] = []
        mime = media.mime
        try:
            async for chunk in self._plugin.call_stream(
                FETCH, request, adapter_message_pb2.FetchMediaResponse, target=target
            ):
                parts.append(chunk.data)
                mime = mime or chunk.mime
        except JackfieldError as error:
            self._ctx.log.warning("media of a message could not be fetched: %s", error)
            return None
        return b"".join(parts), mime


def media_of(turn: model_pb2.ModelMessage) -> Message:
    """What a turn holds beside text, to be sent along."""
    content: Message = convert.message_to_plain(turn.content)
    return Message([one for one in content if isinstance(one, Image | File | Voice | Video)])


def text_of(turn: model_pb2.ModelMessage) -> str:
    """The text of a turn."""
    return "".join(segment.text.text for segment in turn.content.segments if segment.HasField("text"))
