"""One message of every segment of the contract, as the kit sends it, and what a received one has to hold."""

from __future__ import annotations

import hashlib
from typing import Any

from jackfield_sdk.conformance.case import Failure, expect
from jackfield_sdk.conformance.stage import Stage
from jackfield_sdk.interactive import Actions, Button, Form, FormField
from jackfield_sdk.message import (
    Face,
    FaceKind,
    File,
    Forward,
    ForwardNode,
    Image,
    Location,
    Media,
    Mention,
    MentionAll,
    Message,
    PlatformSegment,
    Quote,
    Sticker,
    Text,
    Unknown,
    Video,
    Voice,
)

CLASSES: dict[str, type[Any]] = {
    "text": Text,
    "mention": Mention,
    "mention_all": MentionAll,
    "quote": Quote,
    "image": Image,
    "voice": Voice,
    "video": Video,
    "file": File,
    "forward": Forward,
    "face": Face,
    "sticker": Sticker,
    "location": Location,
    "actions": Actions,
    "form": Form,
    "platform": PlatformSegment,
    "unknown": Unknown,
}
# The smallest PNG there is: a real picture, because platforms look.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360606060000000"
    "050001a5f645400000000049454e44ae426082"
)


def media(stage: Stage, kind: str) -> Media:
    """A file of the kind among the kernel's blobs."""
    mime, name = {
        "image": ("image/png", "dot.png"),
        "voice": ("audio/ogg", "word.ogg"),
        "video": ("video/mp4", "clip.mp4"),
    }.get(kind, ("application/pdf", "page.pdf"))
    data = PNG if kind == "image" else f"the bytes of a {kind}".encode()
    blob_id = f"sha256-{hashlib.sha256(data).hexdigest()}"
    stage.kernel.state.blobs[blob_id] = data
    return Media(blob_id=blob_id, mime=mime, size=len(data), name=name)


def sample(stage: Stage, name: str, message_id: str, given: dict[str, Any]) -> Any:
    """A segment to send; `message_id` is a message of the chat, `given` what the fixture says about it."""
    user = stage.platform.user
    match name:
        case "text":
            return Text("plain words")
        case "mention":
            return Mention(user_id=user, display="Ann")
        case "mention_all":
            return MentionAll()
        case "quote":
            return Quote(message_id=message_id)
        case "image" | "voice" | "video" | "file":
            return CLASSES[name](media=media(stage, name))
        case "forward":
            node = ForwardNode(sender_id=user, sender_name="Ann", message=Message("said before"))
            return Forward(title="Said", nodes=(node,))
        case "face":
            return Face(**{"kind": FaceKind.FACE, "id": "🌻", "name": "sunflower", **given})
        case "sticker":
            return Sticker(**{"id": "1", "emoji": "🌻", **given})
        case "location":
            return Location(52.5, 13.4, "Gate", "Platz 1")
        case "actions":
            return Actions("ask", (Button("yes", "Yes", value="1"),))
        case "form":
            return Form("form", "Order", "Fill in", (FormField("n", "Name"),), (Button("ok", "Send"),))
        case "platform":
            return PlatformSegment(
                stage.declared.platform, str(given.get("type", "")), dict(given.get("data", {}))
            )
    raise Failure(f"the kit has no sample of {name}: its manifest names a segment that the contract lacks")


def check_received(name: str, segment: Any) -> None:
    """That a received segment says what its kind has to. Raises Failure."""
    match segment:
        case Text(text=text):
            expect(text, "the text is empty")
        case Mention(user_id=user_id):
            expect(user_id, "the mention names nobody")
        case Quote(message_id=message_id):
            expect(message_id, "the quote names no message")
        case Image(media=found) | Voice(media=found) | Video(media=found) | File(media=found):
            sources = [s for s in (found.platform_id, found.url, found.blob_id) if s] if found else []
            expect(len(sources) == 1, f"{name} has {len(sources)} sources, one is needed")
        case Face(id=face, name=word):
            expect(face or word, "the face has neither id nor name")
        case Sticker(id=sticker, media=found, emoji=emoji):
            expect(sticker or found or emoji, "the sticker has nothing to know it by")
        case Forward(nodes=nodes, preview=preview, summary=summary):
            expect(nodes or preview or summary, "the bundle is empty")
        case Location(latitude=latitude, longitude=longitude):
            expect((latitude, longitude) != (0.0, 0.0), "the place is nowhere")
        case PlatformSegment(type=kind):
            expect(kind, "the platform's segment has no type")
        case Unknown(text=text, native_type=kind):
            expect(text or kind, "the unknown segment says nothing")
