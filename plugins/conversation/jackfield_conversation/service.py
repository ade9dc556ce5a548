"""The Conversation service: checks what the contract asks, then one transaction or one view."""

from __future__ import annotations

import base64
import binascii
import sqlite3
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from jackfield.v1 import conversation_pb2, conversation_pb2_grpc, entity_pb2, model_pb2
from jackfield_sdk import ContentTooLarge, InvalidArgument, convert, jackfield_context

from jackfield_conversation import reading
from jackfield_conversation.records import micros_of, record_of, turn_of
from jackfield_conversation.store import Store
from jackfield_conversation.writing import Begun, Place, require

pb = conversation_pb2
MAX_TURNS = 100
MAX_BYTES = 256 * 1024
MAX_ID = 256
MAX_TITLE = 100
LAST_SECOND = 253_402_300_800
"""Where the year 10000 begins, in seconds since 1970."""
_REASONS = (pb.END_REASON_RESET, pb.END_REASON_EXPIRED, pb.END_REASON_COMPRESSED, pb.END_REASON_REPLACED)


class ConversationService(conversation_pb2_grpc.ConversationServicer):
    """Bot and chat come from the call's target, where the kernel stamped and checked them."""

    def __init__(self) -> None:
        self._started: Store | None = None

    def start(self, store: Store) -> None:
        """The database is open."""
        self._started = store

    @property
    def _store(self) -> Store:
        assert self._started is not None, "calls come after setup"
        return self._started

    async def OpenConversation(
        self, request: pb.OpenConversationRequest, context: Any
    ) -> pb.OpenConversationResponse:
        """The current conversation of the place."""
        place = _place(context, request.user_id)
        row, created = await self._store.open(place)
        return pb.OpenConversationResponse(conversation=record_of(row), created=created)

    async def AppendTurns(self, request: pb.AppendTurnsRequest, context: Any) -> pb.AppendTurnsResponse:
        """Turns at the end, all or none."""
        if not request.turns:
            raise _wrong("turns", "there is none")
        _check_turns(request.turns)
        bot = _bot(context)
        return pb.AppendTurnsResponse(
            turns=await self._store.append(bot, request.conversation_id, request.turns)
        )

    async def GetHistory(self, request: pb.GetHistoryRequest, context: Any) -> pb.GetHistoryResponse:
        """The newest turns that fit."""
        most = _bounded("max_turns", request.max_turns, 100, 500)
        bot = _bot(context)

        def look(db: sqlite3.Connection) -> reading.History:
            row = require(db, bot, request.conversation_id)
            return reading.history(db, row["n"], most, request.max_tokens, request.before_turn_id)

        found = await self._store.database.read(look)
        return pb.GetHistoryResponse(turns=found.turns, has_more=found.has_more)

    async def SearchTurns(self, request: pb.SearchTurnsRequest, context: Any) -> pb.SearchTurnsResponse:
        """Turns that hold the words."""
        most = _bounded("max_hits", request.max_hits, 20, 100)
        bot = _bot(context)
        database = self._store.database

        def look(db: sqlite3.Connection) -> list[reading.Hit]:
            number = require(db, bot, request.conversation_id)["n"] if request.conversation_id else 0
            wanted = reading.Filter(
                bot=bot,
                chat_key=_chat_key(request.chat) if request.HasField("chat") else "",
                conversation=number,
                role=request.role,
                since=_moment("since", request.since),
                until=_moment("until", request.until),
            )
            return reading.search(db, request.query, wanted, most, database.parts_of_words)

        hits = await database.read(look)
        response = pb.SearchTurnsResponse()
        size = 0
        for hit in hits:
            one = pb.TurnHit(
                conversation=record_of(hit.conversation), turn=turn_of(hit.turn), excerpt=hit.excerpt
            )
            size += one.ByteSize()
            if size > MAX_BYTES and response.hits:
                # A frame takes no more: the best come, the rest is for a narrower search.
                break
            response.hits.append(one)
        return response

    async def ResetConversation(
        self, request: pb.ResetConversationRequest, context: Any
    ) -> pb.ResetConversationResponse:
        """Archive and begin anew; the kernel's key makes a repeat of the same call harmless."""
        reason = request.reason or pb.END_REASON_RESET
        if reason not in _REASONS:
            raise _wrong("reason", f"{reason} is unknown")
        _check_turns(request.turns)
        place = _place(context, request.user_id)
        own = jackfield_context(context).idempotency_key
        key = f"call/{own}" if own else ""
        begun = await self._store.reset(place, reason, request.turns, key)
        response = pb.ResetConversationResponse(conversation=record_of(begun.current))
        if begun.archived is not None:
            response.archived.CopyFrom(record_of(begun.archived))
        return response

    async def ListConversations(
        self, request: pb.ListConversationsRequest, context: Any
    ) -> pb.ListConversationsResponse:
        """Newest use first."""
        most = _bounded("page_size", request.page_size, 50, 200)
        after = _read_token(request.page_token)
        chat_key = _chat_key(request.chat) if request.HasField("chat") else ""
        look = partial(
            reading.listed,
            bot=_bot(context),
            chat_key=chat_key,
            user_id=request.user_id,
            after=after,
            most=most + 1,
        )
        rows = await self._store.database.read(look)
        response = pb.ListConversationsResponse(conversations=map(record_of, rows[:most]))
        if len(rows) > most:
            response.next_page_token = _token(rows[most - 1])
        return response

    async def ResumeConversation(
        self, request: pb.ResumeConversationRequest, context: Any
    ) -> pb.ResumeConversationResponse:
        """Make an archived conversation of the bot the current one of the place."""
        if not request.conversation:
            raise _wrong("conversation", "it is empty")
        place = _place(context, request.user_id)

        def find(db: sqlite3.Connection) -> sqlite3.Row:
            return reading.by_name(db, place.bot, request.conversation)

        begun: Begun = await self._store.resume(place, find)
        return pb.ResumeConversationResponse(conversation=record_of(begun.current))

    async def RenameConversation(
        self, request: pb.RenameConversationRequest, context: Any
    ) -> pb.RenameConversationResponse:
        """Set or remove the title."""
        title = " ".join(request.title.split())
        if len(title) > MAX_TITLE:
            raise _wrong("title", f"it has {len(title)} characters, at most {MAX_TITLE} are kept")
        bot = _bot(context)

        def change(db: sqlite3.Connection) -> sqlite3.Row:
            return self._store.writing.rename(db, require(db, bot, request.conversation_id), title)

        return pb.RenameConversationResponse(conversation=record_of(await self._store.database.write(change)))

    async def ExportConversation(
        self, request: pb.ExportConversationRequest, context: Any
    ) -> AsyncIterator[pb.ExportConversationResponse]:
        """The record, then every turn that there was when the call began."""
        bot = _bot(context)
        database = self._store.database
        row = await database.read(lambda db: require(db, bot, request.conversation_id))
        yield pb.ExportConversationResponse(conversation=record_of(row))
        async for turn in self._store.turns(row["n"]):
            yield pb.ExportConversationResponse(turn=turn)

    async def DeleteConversation(
        self, request: pb.DeleteConversationRequest, context: Any
    ) -> pb.DeleteConversationResponse:
        """Remove it for good."""
        await self._store.delete(_bot(context), request.conversation_id)
        return pb.DeleteConversationResponse()


def _bot(context: Any) -> str:
    bot = jackfield_context(context).bot
    if not bot:
        raise InvalidArgument(
            "the call's target names no bot",
            remedy="Call with target '<bot>:<type>:<chat>'.",
            metadata={"field": "target.bot"},
        )
    return bot


def _place(context: Any, user_id: str) -> Place:
    chat = jackfield_context(context).chat
    if chat is None or not chat.id:
        raise InvalidArgument(
            "the call's target names no chat",
            remedy="Call with target '<bot>:<type>:<chat>'.",
            metadata={"field": "target.chat"},
        )
    if len(user_id) > MAX_ID:
        raise _wrong("user_id", f"it has {len(user_id)} characters")
    return Place(_bot(context), chat, user_id)


def _chat_key(chat: entity_pb2.Chat) -> str:
    if not chat.id or not chat.type:
        raise _wrong("chat", "it has no type or no id")
    return str(convert.to_plain(chat))


def _check_turns(turns: Iterable[pb.ConversationTurn]) -> None:
    turns = list(turns)
    if len(turns) > MAX_TURNS:
        raise _wrong("turns", f"there are {len(turns)}, at most {MAX_TURNS} come at once")
    size = sum(turn.ByteSize() for turn in turns)
    if size > MAX_BYTES:
        raise ContentTooLarge(
            f"the turns have {size} bytes together, at most {MAX_BYTES} are taken",
            remedy="Send fewer at once, and media as blobs.",
            metadata={"field": "turns"},
        )
    for number, turn in enumerate(turns):
        field = f"turns[{number}]"
        if not 0 < len(turn.id) <= MAX_ID:
            raise _wrong(f"{field}.id", f"it has {len(turn.id)} characters, 1-{MAX_ID} are right")
        if turn.message.role not in (1, 2, 3, 4):
            raise _wrong(f"{field}.message.role", "it is not set or unknown")
        if turn.HasField("time"):
            _moment(f"{field}.time", turn.time)
        if turn.message.role == model_pb2.MODEL_ROLE_TOOL and not turn.message.tool_call_id:
            raise _wrong(f"{field}.message.tool_call_id", "a tool's turn says which call it answers")


def _moment(field: str, time: Timestamp) -> int:
    if not 0 <= time.seconds < LAST_SECOND or not 0 <= time.nanos < 1_000_000_000:
        raise _wrong(field, "it is no time between 1970 and 9999")
    return micros_of(time)


def _bounded(field: str, value: int, default: int, most: int) -> int:
    if value > most:
        raise _wrong(field, f"{value} is more than {most}")
    return value or default


def _token(row: sqlite3.Row) -> str:
    return base64.urlsafe_b64encode(f"{row['used_at']}/{row['n']}".encode()).decode()


def _read_token(token: str) -> tuple[int, int] | None:
    if not token:
        return None
    try:
        used, n = base64.b64decode(token, altchars=b"-_", validate=True).decode("ascii").split("/")
        place = int(used), int(n)
    except (binascii.Error, ValueError) as error:
        raise _wrong("page_token", "it is none of ours") from error
    if not all(0 <= number < 1 << 62 for number in place):
        raise _wrong("page_token", "it is none of ours")
    return place


def _wrong(field: str, why: str) -> InvalidArgument:
    return InvalidArgument(f"{field}: {why}", metadata={"field": field})
