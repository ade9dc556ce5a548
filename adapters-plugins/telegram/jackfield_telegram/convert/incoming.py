"""Native messages to message chains. Never raises: what is unknown becomes Unknown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

from jackfield_sdk import (
    Face,
    FaceKind,
    File,
    Image,
    Location,
    Media,
    Mention,
    Message,
    PlatformSegment,
    Quote,
    Segment,
    Sticker,
    Text,
    Unknown,
    Video,
    Voice,
)

from jackfield_telegram.convert.people import Me, chat_of, sender_of
from jackfield_telegram.convert.values import integer_of, number_of, shallow, table, tables, text_of

PLATFORM = "telegram"
# Content that no segment expresses and that is kept as it came.
OWN = frozenset(
    {"contact", "poll", "game", "story", "checklist", "invoice", "giveaway", "paid_media", "rich_message"}
)
# Messages about the chat, written by the platform.
SERVICE = frozenset(
    """
    left_chat_member new_chat_members chat_owner_left chat_owner_changed new_chat_title new_chat_photo delete_chat_photo
    group_chat_created supergroup_chat_created channel_chat_created message_auto_delete_timer_changed migrate_to_chat_id
    migrate_from_chat_id pinned_message successful_payment refunded_payment users_shared chat_shared gift unique_gift
    gift_upgrade_sent connected_website write_access_allowed passport_data proximity_alert_triggered boost_added
    chat_background_set checklist_tasks_done checklist_tasks_added direct_message_price_changed forum_topic_created
    forum_topic_edited forum_topic_closed forum_topic_reopened general_forum_topic_hidden general_forum_topic_unhidden
    giveaway_created giveaway_winners giveaway_completed managed_bot_created paid_message_price_changed poll_option_added
    poll_option_deleted suggested_post_approved suggested_post_approval_failed suggested_post_declined
    suggested_post_paid suggested_post_refunded video_chat_scheduled video_chat_started video_chat_ended
    video_chat_participants_invited web_app_data
    """.split()  # noqa: SIM905 - a list of fifty words reads better as text
)
# Parts of a message that are about it, not in it.
_ABOUT = frozenset(
    """
    message_id message_thread_id direct_messages_topic from sender_chat sender_boost_count sender_business_bot sender_tag date
    guest_query_id business_connection_id chat forward_origin is_topic_message is_automatic_forward reply_to_message
    external_reply quote reply_to_story reply_to_checklist_task_id reply_to_poll_option_id via_bot guest_bot_caller_user
    guest_bot_caller_chat edit_date has_protected_content is_from_offline is_paid_post media_group_id author_signature
    paid_star_count text entities link_preview_options suggested_post_info effect_id caption caption_entities
    show_caption_above_media has_media_spoiler reply_markup
    """.split()  # noqa: SIM905
)
_DICE = "🎲"


def service_of(message: Mapping[str, Any]) -> str:
    """What a service message is about; empty for one that somebody wrote."""
    return next((key for key in message if key in SERVICE), "")


def message_of(message: Mapping[str, Any], me: Me) -> Message:
    """The chain of a native message."""
    segments: list[Segment] = []
    if (quote := _quote(message, me)) is not None:
        segments.append(quote)
    return Message(segments, _content(message, me))


def mentions(message: Mapping[str, Any], chain: Message, me: Me) -> bool:
    """True when the bot is addressed: by name, by a command to it, or by an answer to its message."""
    answered = table(message.get("reply_to_message"))
    if text_of(table(answered.get("from")).get("id")) == me.id and not service_of(answered):
        return True
    return any(isinstance(segment, Mention) and segment.user_id == me.id for segment in chain.segments)


def _quote(message: Mapping[str, Any], me: Me) -> Quote | None:
    answered = table(message.get("reply_to_message"))
    # In a topic every message answers the message that opened it.
    if not answered or "forum_topic_created" in answered:
        return None
    sender = sender_of(answered)
    return Quote(
        message_id=text_of(answered.get("message_id")),
        chat=chat_of(answered.get("chat"), answered),
        sender_id=sender.id if sender is not None else "",
        origin=Message(_content(answered, me)),
    )


def _content(message: Mapping[str, Any], me: Me) -> list[Segment]:
    caption = list(_texts(text_of(message.get("caption")), message.get("caption_entities"), me))
    media = list(_media_segments(message))
    above = message.get("show_caption_above_media") is True
    texts = list(_texts(text_of(message.get("text")), message.get("entities"), me))
    return [*texts, *caption, *media] if above else [*texts, *media, *caption]


def _media_segments(message: Mapping[str, Any]) -> Iterator[Segment]:
    kinds = [key for key in message if key not in _ABOUT]
    # The platform repeats these under an older name for older programs.
    if "animation" in kinds and "document" in kinds:
        kinds.remove("document")
    if "venue" in kinds and "location" in kinds:
        kinds.remove("location")
    for kind in kinds:
        if (read := _READERS.get(kind)) is not None:
            yield read(message[kind])
        elif kind in OWN:
            yield PlatformSegment(PLATFORM, kind, shallow(table(message[kind])))
        elif isinstance(message[kind], Mapping | list):
            yield Unknown(text=f"[{kind[:64]}]", native_type=kind[:64])


def _texts(text: str, entities: Any, me: Me) -> Iterator[Segment]:
    """Text around the mentions in it. Positions count UTF-16 units."""
    units = text.encode("utf-16-le", "surrogatepass")
    done = 0
    for start, end, entity in sorted(_places(entities, len(units) // 2), key=lambda place: place[0]):
        if start < done:
            continue
        covered = _slice(units, start, end)
        before = ""
        mention: Mention | None = None
        match text_of(entity.get("type")):
            case "mention":
                mention = _by_name(covered, me)
            case "text_mention":
                user = sender_of({"from": entity.get("user")})
                mention = Mention(user.id, covered.removeprefix("@")) if user is not None else None
            case "bot_command":
                command, at, name = covered.partition("@")
                if at and name.lower() == me.username.lower():
                    before, mention = command, Mention(me.id, name)
        if mention is None:
            continue
        if plain := _slice(units, done, start) + before:
            yield Text(plain)
        yield mention
        done = end
    if rest := _slice(units, done, len(units) // 2):
        yield Text(rest)


def _places(entities: Any, size: int) -> Iterator[tuple[int, int, Mapping[str, Any]]]:
    for entity in tables(entities):
        start, count = integer_of(entity.get("offset")), integer_of(entity.get("length"))
        if start is not None and count is not None and 0 <= start < start + count <= size:
            yield start, start + count, entity


def _slice(units: bytes, start: int, end: int) -> str:
    return units[2 * start : 2 * end].decode("utf-16-le", "replace")


def _by_name(covered: str, me: Me) -> Mention:
    name = covered.removeprefix("@")
    return Mention(me.id if name.lower() == me.username.lower() else covered, name)


def _media(native: Any, mime: str = "") -> Media:
    file = table(native)
    return Media(
        platform_id=text_of(file.get("file_id")),
        mime=text_of(file.get("mime_type")) or mime,
        size=max(0, integer_of(file.get("file_size")) or 0),
        name=text_of(file.get("file_name"))[:255].replace("/", "_").replace("\\", "_"),
    )


def _duration(native: Any) -> timedelta | None:
    seconds = integer_of(table(native).get("duration"))
    return timedelta(seconds=seconds) if seconds is not None and 0 <= seconds < 10**8 else None


def _photo(native: Any) -> Segment:
    sizes = tables(native)
    largest = max(sizes, key=lambda s: number_of(s.get("width")) * number_of(s.get("height")), default={})
    return Image(_media(largest, "image/jpeg"))


def _video(native: Any) -> Segment:
    film = table(native)
    cover = film.get("thumbnail")
    return Video(_media(film, "video/mp4"), _duration(film), _media(cover, "image/jpeg") if cover else None)


def _live_photo(native: Any) -> Segment:
    return Video(_media(native, "video/mp4"), _duration(native))


def _sticker(native: Any) -> Segment:
    sticker = table(native)
    return Sticker(
        id=text_of(sticker.get("file_id")),
        set_id=text_of(sticker.get("set_name")),
        emoji=text_of(sticker.get("emoji")),
        media=_media(sticker),
    )


def _dice(native: Any) -> Segment:
    dice = table(native)
    emoji, value = text_of(dice.get("emoji")), text_of(dice.get("value"))
    if emoji == _DICE:
        return Face(FaceKind.DICE, value, "dice")
    return Face(FaceKind.FACE, value, emoji)


def _location(native: Any) -> Segment:
    place = table(native)
    return Location(number_of(place.get("latitude")), number_of(place.get("longitude")))


def _venue(native: Any) -> Segment:
    venue = table(native)
    place = table(venue.get("location"))
    return Location(
        number_of(place.get("latitude")),
        number_of(place.get("longitude")),
        text_of(venue.get("title")),
        text_of(venue.get("address")),
    )


_READERS: Mapping[str, Callable[[Any], Segment]] = {
    "photo": _photo,
    "voice": lambda native: Voice(_media(native, "audio/ogg"), _duration(native)),
    "audio": lambda native: Voice(_media(native, "audio/mpeg"), _duration(native)),
    "video": _video,
    "video_note": _video,
    "animation": _video,
    "live_photo": _live_photo,
    "document": lambda native: File(_media(native)),
    "sticker": _sticker,
    "dice": _dice,
    "location": _location,
    "venue": _venue,
}
