"""Files both ways: what is sent as an upload, and what is fetched."""

from __future__ import annotations

import mimetypes
from collections.abc import AsyncIterator, Mapping

from jackfield_sdk import Call, ContentTooLarge, Media, MediaChunk, NotFound, NotSupported
from telegram import InputFile

from jackfield_telegram.calls import Acting
from jackfield_telegram.convert.values import integer_of, table, text_of
from jackfield_telegram.wire import CHUNK, LARGEST_DOWNLOAD

# What a bot may upload; photos less.
LARGEST_UPLOAD = 50 << 20
LARGEST_PHOTO = 10 << 20


class Files(Acting):
    """The methods about media."""

    async def fetch_media(
        self, call: Call, platform_id: str, message_id: str, max_bytes: int
    ) -> AsyncIterator[MediaChunk]:
        """The bytes behind a file id, at most 20 MB: the platform gives bots no more."""
        account = self.account_of(call)
        file = table(await account.api.call("getFile", file_id=platform_id))
        path, size = text_of(file.get("file_path")), integer_of(file.get("file_size")) or 0
        if not path:
            raise NotFound("Telegram has no such file any more", metadata={"platform_id": platform_id[:100]})
        if path.startswith("/") or ".." in path.split("/"):
            raise NotSupported("the Bot API server hands out paths of its own disk (local mode), not files")
        most = min(max_bytes, LARGEST_DOWNLOAD)
        if size > most:
            raise ContentTooLarge(
                f"the file has {size} bytes, {most} are allowed",
                metadata={"size": str(size), "max": str(most)},
            )
        name = path.rsplit("/", 1)[-1]
        mime = mimetypes.guess_type(name)[0] or ""
        first = True
        async for data in account.api.download(path, most):
            for start in range(0, len(data), CHUNK):
                piece = data[start : start + CHUNK]
                yield MediaChunk(piece, mime, name, size) if first else MediaChunk(piece)
                first = False
        if first:
            yield MediaChunk(b"", mime, name, size)


async def uploaded(call: Call, media: Mapping[str, Media]) -> dict[str, str | InputFile]:
    """Each file as the platform takes it. Raises ContentTooLarge before it is read whole."""
    return {name: await _one(call, handle, LARGEST_UPLOAD) for name, handle in media.items()}


async def _one(call: Call, media: Media, most: int) -> str | InputFile:
    if not media.blob_id:
        return media.url or media.platform_id
    data = bytearray()
    async for chunk in call.bot.plugin.iter_blob(media.blob_id):
        data += chunk
        if len(data) > most:
            raise ContentTooLarge(f"a bot may upload {most >> 20} MiB at most", metadata={"max": str(most)})
    return InputFile(bytes(data), filename=media.name or _name(media.mime))


def _name(mime: str) -> str:
    return f"file{mimetypes.guess_extension(mime) or ''}"
