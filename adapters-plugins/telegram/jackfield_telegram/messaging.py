"""Messages: send, reply, edit, delete, forward, react, pin."""

from __future__ import annotations

from typing import Any

from jackfield_sdk import (
    Call,
    Chat,
    ContentTooLarge,
    Forwarded,
    InvalidArgument,
    JackfieldError,
    Message,
    PlatformError,
    Quote,
    ReplyReference,
    SendResult,
    UnsentRest,
)
from telegram import InputFile

from jackfield_telegram.calls import Acting, chat_id, place_of, whole
from jackfield_telegram.convert.callback import stored_key
from jackfield_telegram.convert.context import ReplyContext
from jackfield_telegram.convert.outgoing import Part, Plan
from jackfield_telegram.convert.values import native_id, table, tables, text_of
from jackfield_telegram.errors import not_modified
from jackfield_telegram.files import LARGEST_PHOTO, uploaded

# How long the meaning of a button is kept that does not fit into it.
BUTTON_SECONDS = 90 * 86_400


class Messaging(Acting):
    """The methods about messages."""

    async def send_message(self, call: Call, message: Message) -> SendResult:
        """A long or mixed chain becomes several messages."""
        return await self.send_plan(call, Plan().add(message, with_feedback=call.with_feedback))

    async def reply_message(
        self, call: Call, message: Message, reference: ReplyReference, quote_origin: bool
    ) -> SendResult:
        """Sends; a pressed button that is answered so is settled too."""
        context = ReplyContext.decode(reference.reply_context)
        account = self.account_of(call)
        if context.query_id and account.queries.claim(context.query_id):
            try:
                await account.queries.settle(context.query_id)
            except JackfieldError as error:
                call.bot.log.info("a pressed button was not settled: %s", error)
        if quote_origin:
            message = Quote(message_id=reference.message_id or context.message_id) + message
        return await self.send_message(call, message)

    async def edit_message(self, call: Call, message_id: str, message: Message) -> list[str]:
        """Replaces text and buttons, or the caption of a file; what needs several messages is refused."""
        plan = Plan().add(message)
        plan.parts[0].params.pop("reply_parameters", None)
        if len(plan.parts) > 1:
            raise ContentTooLarge(
                f"the new content needs {len(plan.parts)} messages; an edit has one",
                remedy="Send the rest as further messages.",
            )
        await self.keep_buttons(call, plan)
        await self.edit_part(call, message_id, plan.parts[0])
        return plan.degraded

    async def delete_message(self, call: Call, message_id: str) -> None:
        """Own messages of the last 48 hours; those of others where the bot is an administrator."""
        await self.act(
            call, "deleteMessage", chat_id=chat_id(call), message_id=whole(message_id, "message_id")
        )

    async def forward_message(self, call: Call, source_chat: Chat, message_id: str) -> Forwarded:
        """Forwards natively."""
        sent = await self.act(
            call,
            "forwardMessage",
            **place_of(call.chat),
            from_chat_id=native_id(source_chat.id),
            message_id=whole(message_id, "message_id"),
        )
        return Forwarded(SendResult(message_id=text_of(table(sent).get("message_id"))))

    async def add_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        """Sets the bot's only reaction: an emoji of the platform's set, or the id of a custom one."""
        kind = "custom_emoji" if reaction.isascii() and reaction.isdigit() else "emoji"
        key = "custom_emoji_id" if kind == "custom_emoji" else "emoji"
        await self._react(call, message_id, [{"type": kind, key: reaction}])

    async def remove_reaction(self, call: Call, message_id: str, reaction: str) -> None:
        """Takes the bot's reaction away, whichever it is: a bot has one at most."""
        await self._react(call, message_id, [])

    async def send_typing(self, call: Call) -> None:
        """For five seconds, or until a message comes."""
        place = {
            key: value for key, value in place_of(call.chat).items() if key != "direct_messages_topic_id"
        }
        await self.act(call, "sendChatAction", **place, action="typing")

    async def pin_message(self, call: Call, message_id: str) -> None:
        """Without telling the members."""
        await self.act(
            call,
            "pinChatMessage",
            chat_id=chat_id(call),
            message_id=whole(message_id, "message_id"),
            disable_notification=True,
        )

    async def unpin_message(self, call: Call, message_id: str) -> None:
        """Succeeds when it is not pinned."""
        number = whole(message_id, "message_id")
        try:
            await self.act(call, "unpinChatMessage", chat_id=chat_id(call), message_id=number)
        except InvalidArgument as error:
            if "not modified" not in error.message.lower():
                raise

    async def create_thread(self, call: Call, name: str, message_id: str) -> Chat:
        """A forum topic of a group, or a topic of a private chat where the bot has them."""
        topic = table(await self.act(call, "createForumTopic", chat_id=chat_id(call), name=name[:128]))
        thread = text_of(topic.get("message_thread_id"))
        return Chat(call.chat.type, call.chat.id, thread, name=text_of(topic.get("name")))

    # What the other groups of methods send with.

    async def send_plan(self, call: Call, plan: Plan) -> SendResult:
        """Sends part after part. What fails after the first is told, not raised: a repeat would send the first twice."""
        place = place_of(call.chat)
        await self.keep_buttons(call, plan)
        ids: list[str] = []
        for number, part in enumerate(plan.parts):
            try:
                ids += await self._send_part(call, place, plan, part)
            except JackfieldError as error:
                if not number:
                    raise
                return result_of(ids, plan, UnsentRest(error.reason, error.message, len(plan.parts) - number))
        return result_of(ids, plan)

    async def edit_part(self, call: Call, message_id: str, part: Part) -> None:
        """Edits one message; the same content again is no error."""
        target = {"chat_id": chat_id(call), "message_id": whole(message_id, "message_id")}
        params = {**part.params}
        if part.method == "sendMessage":
            method = "editMessageText"
        elif part.media and len(part.media) == 1:
            method = "editMessageMedia"
            ((kind, media),) = part.media.items()
            source = await uploaded(call, {"file": media})
            item = {
                key: params.pop(key)
                for key in ("caption", "parse_mode", "show_caption_above_media")
                if key in params
            }
            link = source["file"] if isinstance(source["file"], str) else "attach://file"
            params["media"] = {"type": kind, "media": link, **item}
            if not isinstance(source["file"], str):
                params["file"] = source["file"]
        else:
            raise InvalidArgument(
                "a message cannot be edited into this content", metadata={"field": "message"}
            )
        try:
            await self.act(call, method, **target, **params)
        except JackfieldError as error:
            if not not_modified(error):
                raise

    async def keep_buttons(self, call: Call, plan: Plan) -> None:
        """Keeps the meanings that do not fit into buttons, before anyone can press them."""
        for data, meaning in plan.kept.items():
            await call.bot.plugin.kv.put(stored_key(data), meaning, ttl=BUTTON_SECONDS)

    async def _send_part(self, call: Call, place: dict[str, Any], plan: Plan, part: Part) -> list[str]:
        files = await uploaded(call, part.media)
        photo = files.get("photo")
        if isinstance(photo, InputFile):
            content = photo.input_file_content
            if isinstance(content, bytes) and len(content) > LARGEST_PHOTO:
                files, part = {"document": photo}, _as_document(plan, part)
        try:
            sent = await self.act(call, part.method, **place, **_with_files(part, files))
        except (InvalidArgument, PlatformError) as error:
            if part.otherwise is None or isinstance(error, ContentTooLarge):
                raise
            plan.degrade(part.name)
            instead = part.otherwise
            carried = {k: v for k, v in part.params.items() if k in ("reply_parameters", "reply_markup")}
            files = {key: next(iter(files.values())) for key in instead.media}
            sent = await self.act(call, instead.method, **place, **carried, **instead.params, **files)
        found = tables(sent) if isinstance(sent, list) else [table(sent)]
        return [message_id for one in found if (message_id := text_of(one.get("message_id")))]

    async def _react(self, call: Call, message_id: str, reaction: list[dict[str, str]]) -> None:
        number = whole(message_id, "message_id")
        await self.act(
            call, "setMessageReaction", chat_id=chat_id(call), message_id=number, reaction=reaction
        )


def result_of(ids: list[str], plan: Plan, unsent: UnsentRest | None = None) -> SendResult:
    """What came of a plan."""
    return SendResult(
        message_id=ids[0] if ids else "",
        message_ids=tuple(ids) if len(ids) > 1 else (),
        degraded=tuple(plan.degraded),
        unsent=unsent,
    )


def _with_files(part: Part, files: dict[str, Any]) -> dict[str, Any]:
    """Parameters with their files; in an album what is no upload stands in its item itself."""
    if part.method != "sendMediaGroup":
        return {**part.params, **files}
    items = [dict(item) for item in part.params["media"]]
    for item in items:
        source = files[item["media"].removeprefix("attach://")]
        if isinstance(source, str):
            item["media"] = source
    uploads = {key: value for key, value in files.items() if not isinstance(value, str)}
    return {**part.params, "media": items, **uploads}


def _as_document(plan: Plan, part: Part) -> Part:
    """A picture that is too large for one."""
    plan.degrade("image")
    params = {key: value for key, value in part.params.items() if key != "show_caption_above_media"}
    return Part("sendDocument", params)
