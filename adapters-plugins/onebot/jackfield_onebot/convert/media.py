"""Media of outgoing segments as OneBot takes them: a name, an address, or the bytes in base64."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from jackfield_sdk import File, Forward, Image, InvalidArgument, Media, Message, Sticker, Video, Voice

from jackfield_onebot.convert.values import is_host_path, is_web

Blobs = Mapping[str, str]


def media_in(message: Message) -> Iterator[Media]:
    """Every handle of a message, also inside bundles."""
    for segment in message.segments:
        if isinstance(segment, Image | Voice | Video | File | Sticker) and segment.media is not None:
            yield segment.media
        if isinstance(segment, Video) and segment.cover is not None:
            yield segment.cover
        if isinstance(segment, Forward):
            for node in segment.nodes:
                yield from media_in(node.message or Message())


def source_of(media: Media | None, blobs: Blobs) -> str:
    """The value of `file`; empty when there is nothing to send. `blobs` holds base64 by blob id.

    Raises InvalidArgument for what would read a file of the endpoint's host.
    """
    if media is None:
        return ""
    if media.blob_id:
        return f"base64://{blobs[media.blob_id]}"
    if media.url:
        if not is_web(media.url):
            raise InvalidArgument("media.url must be http or https", metadata={"field": "media.url"})
        return media.url
    if is_host_path(media.platform_id):
        raise InvalidArgument(
            "media.platform_id names a file of the host", metadata={"field": "media.platform_id"}
        )
    return media.platform_id


def link_of(media: Media | None) -> str:
    """The public address, when there is one."""
    return media.url if media is not None and is_web(media.url) else ""
