"""What a server answers, as segments: text, images, files."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from jackfield.v1 import tool_pb2
from jackfield_sdk import File, Image, Message, PluginContext, Segment, Text, Voice, convert, wellknown
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)

LONGEST_TEXT = 100_000
LARGEST_MEDIA = 8 * 1024 * 1024
LARGEST_STRUCTURE = 128 * 1024
MOST_SEGMENTS = 64


async def result_of(plugin: PluginContext, result: CallToolResult) -> tool_pb2.ToolResult:
    """The result within its bounds; what is left out is said."""
    segments: list[Segment] = []
    left = LONGEST_TEXT
    for block in result.content[:MOST_SEGMENTS]:
        segment = await _segment(plugin, block)
        if isinstance(segment, Text):
            cut = len(segment.text) - left
            if cut > 0:
                segment = Text(f"{segment.text[:left]}\n[{cut} characters left out]")
            left = max(0, left - len(segment.text))
        segments.append(segment)
    if len(result.content) > MOST_SEGMENTS:
        segments.append(Text(f"[{len(result.content) - MOST_SEGMENTS} parts left out]"))
    made = tool_pb2.ToolResult(is_error=bool(result.is_error))
    if segments:
        made.content.CopyFrom(convert.message_to_proto(Message(segments)))
    if isinstance(result.structured_content, dict):
        structured = wellknown.struct_to_proto(result.structured_content)
        if structured.ByteSize() <= LARGEST_STRUCTURE:
            made.structured.CopyFrom(structured)
    return made


async def _segment(plugin: PluginContext, block: Any) -> Segment:
    if isinstance(block, TextContent):
        return Text(block.text)
    if isinstance(block, ImageContent):
        return await _media(plugin, Image, block.data, block.mime_type, "")
    if isinstance(block, AudioContent):
        return await _media(plugin, Voice, block.data, block.mime_type, "")
    if isinstance(block, ResourceLink):
        return Text(f"[Resource {block.name}: {block.uri}]")
    if isinstance(block, EmbeddedResource):
        held = block.resource
        if isinstance(held, BlobResourceContents):
            mime = held.mime_type or "application/octet-stream"
            kind = Image if mime.startswith("image/") else File
            return await _media(plugin, kind, held.blob, mime, str(held.uri).rpartition("/")[2][:100])
        return Text(held.text)
    return Text(f"[{type(block).__name__} is not understood]")


async def _media(plugin: PluginContext, kind: Any, data: str, mime: str, name: str) -> Segment:
    if len(data) * 3 // 4 > LARGEST_MEDIA:
        return Text(f"[{kind.__name__} above {LARGEST_MEDIA >> 20} MiB left out]")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return Text(f"[{kind.__name__} that is no base64 left out]")
    media = await plugin.put_blob(content, mime=mime, name=name)
    segment: Segment = kind(media)
    return segment
