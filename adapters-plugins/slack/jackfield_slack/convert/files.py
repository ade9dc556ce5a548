"""Files of a message as segments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from jackfield_sdk import File, Image, Media, Unknown, Video, Voice
from jackfield_sdk.message import Segment


def segments_of(file: Mapping[str, Any]) -> Iterator[Segment]:
    """One file; `file_access: check_file_info` and deleted ones are told as what they are."""
    file_id = file.get("id")
    if not isinstance(file_id, str) or not file_id or file.get("mode") == "tombstone":
        yield Unknown(text="[File]", native_type="file")
        return
    mime = str(file.get("mimetype") or "")
    size = file.get("size")
    media = Media(
        platform_id=file_id,
        mime=mime,
        size=size if isinstance(size, int) and size >= 0 else 0,
        name=str(file.get("name") or file.get("title") or "").replace("/", "_").replace("\\", "_"),
    )
    length = file.get("duration_ms")
    duration = timedelta(milliseconds=length) if isinstance(length, int) and length >= 0 else None
    if mime.startswith("image/"):
        yield Image(media=media)
    elif mime.startswith("audio/"):
        yield Voice(media=media, duration=duration)
    elif mime.startswith("video/"):
        yield Video(media=media, duration=duration)
    else:
        yield File(media=media)
