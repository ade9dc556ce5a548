"""What the methods of the Bot API do here: messages are kept, files too, and the limits are those of the platform."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.platforms.telegram import world
from tests.platforms.telegram.html import BadEntities, parse

Params = dict[str, Any]
Files = dict[str, tuple[str, bytes]]
LARGEST_UPLOAD = 50 << 20
LARGEST_PHOTO = 10 << 20
LARGEST_DOWNLOAD = 20 << 20


class ApiRefusal(Exception):
    """`ok: false`."""

    def __init__(self, code: int, description: str, **parameters: Any) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        self.parameters = parameters


class Store:
    """Messages by chat and id, files by id, commands."""

    def __init__(self, me: dict[str, Any]) -> None:
        self.me = me
        self.messages: dict[tuple[int, int], dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.commands: list[dict[str, Any]] = []
        self.reactions: dict[int, list[Any]] = {}
        self.answered: dict[str, Params] = {}
        self.drafts: list[Params] = []
        self._message_id = 0
        self._file_id = 0

    def next_message(self) -> int:
        """The id of a new message."""
        self._message_id += 1
        return self._message_id

    def add_file(self, data: bytes) -> str:
        """Stores a file; returns its id."""
        self._file_id += 1
        file_id = f"FILE{self._file_id}"
        self.files[file_id] = data
        return file_id

    def sent(self, params: Params, **content: Any) -> dict[str, Any]:
        """A new message of the bot."""
        chat_id = params["chat_id"]
        chat = world.group() if chat_id == world.GROUP_ID else world.private() if chat_id == 7 else None
        if chat is None:
            raise ApiRefusal(400, "Bad Request: chat not found")
        message = world.message(chat, self.me, **content)
        message["from"] = {key: self.me[key] for key in ("id", "is_bot", "first_name", "username")}
        message["message_id"] = self.next_message()
        if thread := params.get("message_thread_id"):
            message |= {"message_thread_id": thread, "is_topic_message": True}
        _check_markup(params)
        if markup := params.get("reply_markup"):
            message["reply_markup"] = markup
        self.messages[chat_id, message["message_id"]] = message
        return message

    def message(self, params: Params, what: str) -> dict[str, Any]:
        """A message of the bot. Refuses unknown ones."""
        found = self.messages.get((params["chat_id"], params["message_id"]))
        if found is None:
            raise ApiRefusal(400, f"Bad Request: message to {what} not found")
        return found

    def texts(self) -> list[str]:
        """Text and captions of every message that stands, in order."""
        return [
            m.get("text", m.get("caption", ""))
            for _, m in sorted(self.messages.items(), key=lambda one: one[0][1])
        ]


def _text(params: Params, key: str, limit: int) -> dict[str, Any]:
    text, entities = params.get(key, ""), []
    if params.get("parse_mode") == "HTML":
        try:
            text, entities = parse(text)
        except BadEntities as bad:
            raise ApiRefusal(400, f"Bad Request: can't parse entities: {bad}") from None
    if key == "text" and not text.strip():
        raise ApiRefusal(400, "Bad Request: message text is empty")
    if len(text.encode("utf-16-le")) // 2 > limit:
        raise ApiRefusal(
            400,
            "Bad Request: message is too long"
            if key == "text"
            else "Bad Request: message caption is too long",
        )
    content: dict[str, Any] = {key: text} if text else {}
    if entities:
        content["entities" if key == "text" else "caption_entities"] = entities
    return content


def _check_markup(params: Params) -> None:
    for row in (params.get("reply_markup") or {}).get("inline_keyboard", []):
        for button in row:
            data = button.get("callback_data")
            if data is not None and not 1 <= len(data.encode()) <= 64:
                raise ApiRefusal(400, "Bad Request: BUTTON_DATA_INVALID")


def _send_message(store: Store, params: Params, files: Files) -> Any:
    return store.sent(params, **_text(params, "text", 4096))


def _draft(store: Store, params: Params, files: Files) -> Any:
    if params["chat_id"] != 7:
        raise ApiRefusal(400, "Bad Request: TEXTDRAFT_PEER_INVALID")
    store.drafts.append({**params, **_text(params, "text", 4096)})
    return True


def _file_content(store: Store, kind: str, source: Any, files: Files) -> Any:
    """The content of a sent file, from an upload, an id or an address."""
    data = b""
    if isinstance(source, str) and not source.startswith("attach://"):
        if not source.startswith("http") and source not in store.files:
            raise ApiRefusal(400, "Bad Request: wrong file identifier/HTTP URL specified")
        file_id = source if source in store.files else store.add_file(source.encode())
        name = source
    else:
        name, data = files[source.removeprefix("attach://") if isinstance(source, str) else kind]
        if len(data) > (LARGEST_PHOTO if kind == "photo" else LARGEST_UPLOAD):
            raise ApiRefusal(413, "Request Entity Too Large")
        if kind == "photo" and data.startswith(b"no picture"):
            raise ApiRefusal(400, "Bad Request: IMAGE_PROCESS_FAILED")
        file_id = store.add_file(data)
    if kind == "photo":
        return world.photo(file_id)
    content: dict[str, Any] = {"file_id": file_id, "file_unique_id": f"u{file_id}"}
    if kind in ("voice", "audio", "video"):
        content["duration"] = 1
    if kind in ("video", "sticker"):
        content |= {"width": 1, "height": 1}
    if kind == "sticker":
        content |= {"type": "regular", "is_animated": False, "is_video": False}
    if kind == "document":
        content["file_name"] = name
    return content


def _send_file(kind: str) -> Callable[[Store, Params, Files], Any]:
    def send(store: Store, params: Params, files: Files) -> Any:
        content = {kind: _file_content(store, kind, params.get(kind), files)}
        return store.sent(params, **content, **_text(params, "caption", 1024))

    return send


def _send_album(store: Store, params: Params, files: Files) -> Any:
    items = params["media"]
    if not 2 <= len(items) <= 10:
        raise ApiRefusal(400, "Bad Request: wrong number of media")
    return [
        store.sent(
            params,
            media_group_id="g",
            **{item["type"]: _file_content(store, item["type"], item["media"], files)},
            **_text(item, "caption", 1024),
        )
        for item in items
    ]


def _edit_text(store: Store, params: Params, files: Files) -> Any:
    message = store.message(params, "edit")
    content = _text(params, "text", 4096)
    markup = params.get("reply_markup")
    same = all(message.get(key) == content.get(key) for key in ("text", "entities"))
    if same and message.get("reply_markup") == markup:
        raise ApiRefusal(
            400,
            "Bad Request: message is not modified: specified new message content and reply markup are exactly the same"
            " as a current content and reply markup of the message",
        )
    _check_markup(params)
    for key in ("text", "entities", "reply_markup"):
        message.pop(key, None)
    message.update(content)
    if markup:
        message["reply_markup"] = markup
    message["edit_date"] = world.DATE + 1
    return message


def _edit_media(store: Store, params: Params, files: Files) -> Any:
    message = store.message(params, "edit")
    item = params["media"]
    message[item["type"]] = _file_content(store, item["type"], item["media"], files)
    message.update(_text(item, "caption", 1024))
    return message


def _delete(store: Store, params: Params, files: Files) -> Any:
    store.message(params, "delete")
    del store.messages[params["chat_id"], params["message_id"]]
    return True


def _forward(store: Store, params: Params, files: Files) -> Any:
    source = store.messages.get((params["from_chat_id"], params["message_id"]))
    if source is None:
        raise ApiRefusal(400, "Bad Request: message to forward not found")
    return store.sent(params, text=source["text"])


def _react(store: Store, params: Params, files: Files) -> Any:
    if any(one.get("emoji") == "?" for one in params["reaction"]):
        raise ApiRefusal(400, "Bad Request: REACTION_INVALID")
    store.reactions[params["message_id"]] = params["reaction"]
    return True


def _answer_query(store: Store, params: Params, files: Files) -> Any:
    query_id = params["callback_query_id"]
    if query_id in store.answered:
        raise ApiRefusal(
            400, "Bad Request: query is too old and response timeout expired or query ID is invalid"
        )
    store.answered[query_id] = params
    return True


def _get_file(store: Store, params: Params, files: Files) -> Any:
    file_id = params["file_id"]
    if file_id not in store.files:
        raise ApiRefusal(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
    size = len(store.files[file_id])
    if size > LARGEST_DOWNLOAD:
        raise ApiRefusal(400, "Bad Request: file is too big")
    return {
        "file_id": file_id,
        "file_unique_id": f"u{file_id}",
        "file_size": size,
        "file_path": f"files/{file_id}.txt",
    }


def _get_chat(store: Store, params: Params, files: Files) -> Any:
    needed = {"accent_color_id": 0, "max_reaction_count": 1, "accepted_gift_types": _GIFTS}
    if params["chat_id"] == world.GROUP_ID:
        return {**world.group(), **needed, "description": "Plants"}
    if params["chat_id"] == 7:
        return {**world.private(), **needed, "username": "ann"}
    raise ApiRefusal(400, "Bad Request: chat not found")


def _get_member(store: Store, params: Params, files: Files) -> Any:
    known = {
        7: world.member(world.ANN, "member"),
        store.me["id"]: world.member(_bare(store.me), "restricted"),
    }
    if params["user_id"] not in known:
        raise ApiRefusal(400, "Bad Request: PARTICIPANT_ID_INVALID: user not found")
    return known[params["user_id"]]


def _set_commands(store: Store, params: Params, files: Files) -> Any:
    store.commands = params["commands"]
    return True


def _bare(me: dict[str, Any]) -> dict[str, Any]:
    return {key: me[key] for key in ("id", "is_bot", "first_name", "username")}


def _done(store: Store, params: Params, files: Files) -> Any:
    return True


_GIFTS = {
    "unlimited_gifts": True,
    "limited_gifts": True,
    "unique_gifts": True,
    "premium_subscription": True,
    "gifts_from_channels": True,
}
_TOPIC_COLOR = 7322096
_POLL = {
    "id": "1",
    "question": "?",
    "options": [],
    "total_voter_count": 0,
    "is_anonymous": True,
    "type": "regular",
    "allows_multiple_answers": False,
    "allows_revoting": False,
    "members_only": False,
}
_EFFECTS = (
    "sendChatAction",
    "pinChatMessage",
    "unpinChatMessage",
    "unpinAllChatMessages",
    "setChatTitle",
    "setChatDescription",
    "restrictChatMember",
    "banChatMember",
    "unbanChatMember",
    "promoteChatMember",
    "leaveChat",
    "approveChatJoinRequest",
    "declineChatJoinRequest",
    "closeForumTopic",
    "reopenForumTopic",
    "deleteForumTopic",
)
METHODS: Mapping[str, Callable[[Store, Params, Files], Any]] = {
    "getMe": lambda store, params, files: store.me,
    "sendMessage": _send_message,
    "sendMessageDraft": _draft,
    **{
        f"send{kind.capitalize()}": _send_file(kind)
        for kind in ("photo", "video", "audio", "voice", "document", "sticker")
    },
    "sendMediaGroup": _send_album,
    "sendLocation": lambda s, p, f: s.sent(p, location={k: float(p[k]) for k in ("latitude", "longitude")}),
    "sendVenue": lambda s, p, f: s.sent(
        p,
        venue={
            "location": {k: float(p[k]) for k in ("latitude", "longitude")},
            "title": p["title"],
            "address": p["address"],
        },
    ),
    "sendDice": lambda s, p, f: s.sent(p, dice={"emoji": p["emoji"], "value": 4}),
    "sendContact": lambda s, p, f: s.sent(p, contact={k: p[k] for k in ("phone_number", "first_name")}),
    "sendPoll": lambda s, p, f: s.sent(p, text=p["question"]),
    "editMessageText": _edit_text,
    "editMessageMedia": _edit_media,
    "deleteMessage": _delete,
    "forwardMessage": _forward,
    "setMessageReaction": _react,
    "answerCallbackQuery": _answer_query,
    "getFile": _get_file,
    "getChat": _get_chat,
    "getChatMember": _get_member,
    "getChatMemberCount": lambda store, params, files: 3,
    "getChatAdministrators": lambda store, params, files: [
        {"status": "creator", "user": world.BEN, "is_anonymous": False, "custom_title": "Gardener"}
    ],
    "getMyCommands": lambda store, params, files: store.commands,
    "setMyCommands": _set_commands,
    "stopPoll": lambda store, params, files: {**_POLL, "is_closed": True},
    "createForumTopic": lambda store, params, files: {
        "message_thread_id": 77,
        "name": params["name"],
        "icon_color": _TOPIC_COLOR,
    },
    "createChatInviteLink": lambda store, params, files: {
        "invite_link": "https://t.me/+abc",
        "creator": _bare(store.me),
        "creates_join_request": False,
        "is_primary": False,
        "is_revoked": False,
    },
    **dict.fromkeys(_EFFECTS, _done),
}
