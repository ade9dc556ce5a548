"""Files that come and go through the page."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

from jackfield_sdk import ContentTooLarge, Media

from jackfield_webchat.history import History, Room, StoredMedia
from jackfield_webchat.history_thread import HistoryThread

# Largest upload and what all files of one bot may take, in bytes.
MAX_UPLOAD = 10_000_000
MAX_TOTAL = 1 << 30
CHUNK = 65_536

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"%PDF-", 0, "application/pdf"),
    (b"OggS", 0, "audio/ogg"),
    (b"WAVE", 8, "audio/wav"),
    (b"ID3", 0, "audio/mpeg"),
    (b"ftyp", 4, "video/mp4"),
    (b"\x1a\x45\xdf\xa3", 0, "video/webm"),
)


def sniff(head: bytes) -> str:
    """The type that the first bytes show; the name and the sender's word count for nothing."""
    for signature, offset, mime in _SIGNATURES:
        if head[offset : offset + len(signature)] == signature:
            return mime
    if b"\0" in head:
        return "application/octet-stream"
    try:
        head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:
            return "application/octet-stream"
    return "text/plain"


def kind_of(mime: str) -> str:
    """The type of chain part for a file."""
    return {"image": "Image", "audio": "Voice", "video": "Video"}.get(mime.partition("/")[0], "File")


class MediaStore:
    """Files in the plugin's folder under random keys; the history knows whose they are."""

    def __init__(self, folder: Path, history: HistoryThread) -> None:
        self._folder = folder
        self._history = history

    async def prepare(self) -> None:
        """Makes the folder and removes files that nothing refers to any more."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        known = await self._history.run(History.media_keys)
        for file in self._folder.iterdir():
            if file.name not in known:
                file.unlink()

    async def keep(self, room: Room, data: bytes, name: str, now: float) -> StoredMedia:
        """Stores a file for the sessions of one room. Raises ContentTooLarge when the bot's files take up
        too much."""
        if await self._history.run(History.media_size, room.bot) + len(data) > MAX_TOTAL:
            raise ContentTooLarge("there is no room for further files", metadata={"limit": str(MAX_TOTAL)})
        media = StoredMedia(secrets.token_urlsafe(24), room, sniff(data[:4096]), name[:200], len(data))
        await self._history.run(_write, self._folder / media.key, data)
        await self._history.run(History.add_media, media, now)
        return media

    async def find(self, bot: str, key: str) -> StoredMedia | None:
        """A file by its key; None for a key that was never given out."""
        return await self._history.run(History.media, bot, key)

    def path(self, media: StoredMedia) -> Path:
        """Where its bytes are."""
        return self._folder / media.key

    async def chunks(self, media: StoredMedia) -> AsyncIterator[bytes]:
        """Its bytes in pieces of at most 64 KiB."""
        data = await self._history.run(_read, self.path(media))
        for start in range(0, len(data), CHUNK):
            yield data[start : start + CHUNK]


def handle(media: StoredMedia) -> Media:
    """How an event names a file: its bytes come by `fetch_media`."""
    return Media(platform_id=media.key, mime=media.mime, size=media.size, name=media.name)


def _write(_: History, path: Path, data: bytes) -> None:
    path.write_bytes(data)


def _read(_: History, path: Path) -> bytes:
    return path.read_bytes()
