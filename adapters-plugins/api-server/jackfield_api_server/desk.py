"""Requests that wait for their answer: one in a chat, a bounded number in all."""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from jackfield_sdk import WindowClosed

from jackfield_api_server.failure import SERVER, Failure

MAX_WAITING = 256
# Answers that a request or a call sent again finds, by bytes and by number.
KEPT_ANSWERS = 512
KEPT_BYTES = 8 << 20


class Waiting:
    """One request. `text` is the whole answer so far. Its reader and its writer meet here and nowhere else."""

    def __init__(self, bot: str, chat: str, question: str) -> None:
        self.bot = bot
        self.chat = chat
        self.question = question
        self.text = ""
        self.is_final = False
        self.failure: Failure | None = None
        self.writer: str | object | None = None
        self._changed = asyncio.Event()
        self._delivered: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def grow(self, text: str, *, is_final: bool) -> None:
        """The writer has more. Texts that the reader did not see yet are replaced; a final one stays."""
        if self.is_final:
            return
        self.text = text
        self.is_final = is_final
        self._changed.set()

    def fail(self, failure: Failure) -> None:
        """Nobody will answer."""
        self.failure = failure
        self._changed.set()

    async def change(self) -> None:
        """Returns when something is new. Raises the failure."""
        await self._changed.wait()
        self._changed.clear()
        if self.failure is not None:
            raise self.failure

    async def delivered(self) -> None:
        """Returns when the whole answer was written to the client. Raises WindowClosed when that cannot be any more."""
        await asyncio.shield(self._delivered)

    def settle(self, *, taken: bool) -> None:
        """The reader is done."""
        if self._delivered.done():
            return
        if taken:
            self._delivered.set_result(None)
        else:
            self._delivered.set_exception(_closed("the request ended before its answer was taken"))
            # Nobody may be writing.
            self._delivered.exception()


class Desk:
    """All waiting requests, and the last answers."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], Waiting] = {}
        self._answers: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._bytes = 0
        self._calls: OrderedDict[str, str] = OrderedDict()

    def ask(self, bot: str, chat: str, question: str) -> Waiting:
        """A request begins to wait. Raises Failure when the chat or the desk is taken."""
        if (bot, chat) in self._waiting:
            raise Failure(
                409,
                "conflict",
                "this session waits for an answer already: wait for it, or use another X-Session-Id",
            )
        if len(self._waiting) >= MAX_WAITING:
            raise Failure(
                503, "overloaded", f"{MAX_WAITING} requests wait already", kind=SERVER, retry_after=1
            )
        waiting = Waiting(bot, chat, question)
        self._waiting[bot, chat] = waiting
        if (text := self._answers.get((bot, question))) is not None:
            waiting.grow(text, is_final=True)
        return waiting

    def leave(self, waiting: Waiting) -> None:
        """A request waits no more; its answer was taken or never will be."""
        if self._waiting.get((waiting.bot, waiting.chat)) is waiting:
            del self._waiting[waiting.bot, waiting.chat]
        waiting.settle(taken=False)

    def claim(self, bot: str, chat: str, question: str, writer: str | object) -> Waiting:
        """The request that an answer is for; with `question`, only if it asked that. Raises WindowClosed."""
        waiting = self._waiting.get((bot, chat))
        if waiting is None:
            raise _closed("no request waits for an answer in this chat")
        if question and question != waiting.question:
            raise _closed("the request that asked this waits no more")
        # A repeat of the call that answers may wait with it until the client has read.
        if waiting.is_final and waiting.writer != writer:
            raise _closed("the request has its answer already")
        if waiting.writer is not None and waiting.writer != writer:
            raise _closed("another answer to this request is being written")
        waiting.writer = writer
        return waiting

    def release(self, waiting: Waiting, writer: str | object) -> None:
        """The writer stopped; somebody else, or the same again, may answer."""
        if waiting.writer == writer and not waiting.is_final:
            waiting.writer = None

    def keep(self, waiting: Waiting) -> None:
        """Whoever asks the same again under the same key gets the same answer."""
        place = (waiting.bot, waiting.question)
        if place in self._answers:
            return
        self._answers[place] = waiting.text
        self._bytes += len(waiting.text)
        while len(self._answers) > KEPT_ANSWERS or self._bytes > KEPT_BYTES:
            _, text = self._answers.popitem(last=False)
            self._bytes -= len(text)

    def called(self, key: str) -> str:
        """Id of the answer that this call gave already; empty for a new one."""
        return self._calls.get(key, "") if key else ""

    def note(self, key: str, answer: str) -> None:
        """This call gave this answer."""
        if key:
            self._calls[key] = answer
            if len(self._calls) > KEPT_ANSWERS:
                self._calls.popitem(last=False)

    def close(self, bot: str) -> None:
        """Nobody waits for this bot any more."""
        for waiting in self._waiting.values():
            if waiting.bot == bot and not waiting.is_final:
                waiting.fail(Failure(503, "unavailable", "the bot is closed", kind=SERVER, retry_after=1))


def _closed(message: str) -> WindowClosed:
    return WindowClosed(message, remedy="The client has to ask again.")
