"""Files both ways: what travels with a message, and what is fetched."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

from jackfield_sdk import Call, ContentTooLarge, FileUrl, InvalidArgument, Media, MediaChunk, NotFound

from jackfield_discord.account import Acting, snowflake
from jackfield_discord.convert.values import integer_of, table, tables, text_of
from jackfield_discord.rest import CHUNK, Attachment

# What Discord takes of a bot in a server without boosts; all files of one message together.
LARGEST_UPLOAD = 10 << 20


class Files(Acting):
    """The methods about media."""

    async def fetch_media(
        self, call: Call, platform_id: str, message_id: str, max_bytes: int
    ) -> AsyncIterator[MediaChunk]:
        """The bytes of an attachment, whose address is read anew from its message."""
        native = await self._attachment(call, platform_id)
        size, name = integer_of(native.get("size")), text_of(native.get("filename"))
        if size > max_bytes:
            raise ContentTooLarge(
                f"the file has {size} bytes, {max_bytes} are allowed",
                metadata={"size": str(size), "max": str(max_bytes)},
            )
        mime = text_of(native.get("content_type")).partition(";")[0]
        first = True
        async for data in self.account_of(call).rest.download(text_of(native.get("url")), max_bytes):
            for start in range(0, len(data), CHUNK):
                piece = data[start : start + CHUNK]
                yield MediaChunk(piece, mime, name, size) if first else MediaChunk(piece)
                first = False
        if first:
            yield MediaChunk(b"", mime, name, size)

    async def get_file_url(self, call: Call, platform_id: str) -> FileUrl:
        """The address of an attachment as Discord gives it: public, and good for about a day."""
        return FileUrl(text_of((await self._attachment(call, platform_id)).get("url")))

    async def _attachment(self, call: Call, platform_id: str) -> dict[str, object]:
        parts = platform_id.split("/")
        if len(parts) != 3:
            raise InvalidArgument("this handle is not ours", metadata={"field": "platform_id"})
        channel, message, attachment = (snowflake(part) for part in parts)
        native = table(await self.request(call, "GET", "channels", channel, "messages", message))
        for found in tables(native.get("attachments")):
            if text_of(found.get("id")) == attachment and urlsplit(text_of(found.get("url"))).scheme in (
                "http",
                "https",
            ):
                return found
        raise NotFound("the message has no such file any more", metadata={"platform_id": platform_id[:100]})


async def uploads(call: Call, media: Sequence[Media]) -> list[Attachment]:
    """The bytes of the files of one message. Raises ContentTooLarge before they are read whole."""
    found: list[Attachment] = []
    total = 0
    for number, handle in enumerate(media):
        if not handle.blob_id:
            raise InvalidArgument(
                "a file of Discord cannot be sent again by its id",
                remedy="Fetch it (fetch_media) and send the blob, or give its address.",
                metadata={"field": "media.platform_id"},
            )
        data = bytearray()
        async for chunk in call.bot.plugin.iter_blob(handle.blob_id):
            data += chunk
            total += len(chunk)
            if total > LARGEST_UPLOAD:
                raise ContentTooLarge(
                    f"the files of one message may have {LARGEST_UPLOAD >> 20} MiB",
                    metadata={"max": str(LARGEST_UPLOAD)},
                )
        name = handle.name or f"file{number}{mimetypes.guess_extension(handle.mime) or ''}"
        found.append(Attachment(name.rsplit("/", 1)[-1][:200], bytes(data), handle.mime))
    return found
