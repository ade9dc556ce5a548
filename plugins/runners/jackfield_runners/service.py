"""The servicer: one question to one assistant, its answer piece by piece."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
from jackfield.v1 import message_pb2, responder_pb2, responder_pb2_grpc
from jackfield_sdk import (
    File,
    InvalidArgument,
    JackfieldError,
    Message,
    PluginContext,
    Segment,
    convert,
    jackfield_context,
    markdown,
    wellknown,
)
from jackfield_sdk.errors import error_to_proto

from jackfield_runners import dify, generic, media, n8n
from jackfield_runners.answer import Answer
from jackfield_runners.pieces import Conversation, Piece
from jackfield_runners.places import Places
from jackfield_runners.question import Question, key_for, words_of
from jackfield_runners.runs import Run, Runs
from jackfield_runners.settings import Settings
from jackfield_runners.wire import Wire, client

BETWEEN_TEXTS = 0.2
LONGEST_SHOWN = 256 * 1024
HEAD = 2000
KINDS = {"dify": dify.ask, "n8n": n8n.ask, "http": generic.ask}


class Assistants(responder_pb2_grpc.ResponderServicer):
    """Serves `jackfield.v1.Responder`. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.runs = Runs()

    async def open(self, plugin: PluginContext) -> None:
        """Before the first question."""
        self._plugin = plugin
        self.places = Places(plugin)
        self._client: httpx2.AsyncClient = client()

    async def close(self, plugin: PluginContext) -> None:
        """Give up the connections."""
        await self._client.aclose()

    async def Respond(
        self, request: responder_pb2.RespondRequest, context: Any
    ) -> AsyncIterator[responder_pb2.RespondResponse]:
        """One answer."""
        caller = jackfield_context(context)
        settings = Settings.of(self._plugin.config, request.name, wellknown.struct_to_plain(request.settings))
        if not caller.bot or caller.chat is None:
            raise InvalidArgument("an answer belongs to a chat, and the call names none")
        event = convert.event_to_plain(request.event)
        message: Message = convert.message_to_plain(request.message)
        question = Question(settings, event, words_of(message), key=key_for(f"{event.id}/{settings.name}"))
        answer = Answer(settings.remove_think)
        wire = Wire(self._client, settings, self._clock)
        with self.runs.at(f"{caller.bot}:{caller.chat}") as run:
            task = run.begin(self._find(run, wire, question, message, answer))
            async for text in _growing(run, task, answer):
                yield responder_pb2.RespondResponse(text=text)
            error = _failure(run, task, answer)
        files = [] if run.stopped else [await self._file(wire, settings, link) for link in answer.links]
        yield responder_pb2.RespondResponse(end=await self._end(run, answer, files, error))

    async def StopAnswers(
        self, request: responder_pb2.StopAnswersRequest, context: Any
    ) -> responder_pb2.StopAnswersResponse:
        """Stop what runs in the chat of the call."""
        caller = jackfield_context(context)
        stopped = self.runs.stop(f"{caller.bot}:{caller.chat}")
        return responder_pb2.StopAnswersResponse(stopped=stopped)

    async def _find(self, run: Run, wire: Wire, question: Question, message: Message, answer: Answer) -> None:
        """Ask, and put together what comes."""
        settings, event = question.settings, question.event
        question.conversation_id = await self.places.find(settings, event)
        if not question.conversation_id and not settings.gives_conversations:
            question.conversation_id = answer.conversation_id = key_for(f"{event.id}/conversation")
            await self.places.keep(settings, event, question.conversation_id)
        if settings.kind == "dify" and settings.files:
            question.media = await media.attachments(self._plugin, event, message)
        ask: Callable[[Wire, Question], AsyncIterator[Piece]] = KINDS[settings.kind]
        async for piece in ask(wire, question):
            if isinstance(piece, Conversation) and piece.id != answer.conversation_id:
                # At once: a crash after this must not begin another conversation there.
                await self.places.keep(settings, event, piece.id)
            answer.add(piece)
            run.news.set()
        if kept := answer.conversation_id or question.conversation_id:
            await self.places.keep(settings, event, kept)

    async def _file(self, wire: Wire, settings: Settings, link: Any) -> Segment:
        return await media.segment_of(self._plugin, wire, settings, link)

    async def _end(
        self, run: Run, answer: Answer, files: list[Segment], error: JackfieldError | None
    ) -> responder_pb2.AnswerEnd:
        pb = responder_pb2
        outcome = pb.ANSWER_OUTCOME_ANSWERED
        if run.stopped:
            outcome = pb.ANSWER_OUTCOME_STOPPED
        elif error is not None:
            outcome = pb.ANSWER_OUTCOME_FAILED
        end = pb.AnswerEnd(outcome=outcome, conversation_id=answer.conversation_id)
        if error is not None:
            end.error.CopyFrom(error_to_proto(error))
        end.message.CopyFrom(await self._message(answer.text(), files))
        return end

    async def _message(self, text: str, files: list[Segment]) -> message_pb2.Message:
        """Text, then files; a text that fits no frame becomes a file behind its beginning."""
        parts: list[Segment] = []
        data = text.encode()
        if len(data) > LONGEST_SHOWN:
            blob = await self._plugin.put_blob(data, mime="text/markdown", name="answer.md")
            parts += [markdown(f"{text[:HEAD]}…"), File(blob)]
        elif text:
            parts.append(markdown(text))
        return convert.message_to_proto(Message([*parts, *files]))


async def _growing(run: Run, task: asyncio.Task[None], answer: Answer) -> AsyncIterator[str]:
    """The text so far, each time it grew, no faster than anybody reads."""
    last = ""
    while True:
        await run.news.wait()
        run.news.clear()
        if task.done():
            return
        text = answer.shown()
        if text.strip() and text != last and len(text) * 4 <= LONGEST_SHOWN:
            last = text
            yield text
        await asyncio.wait([task], timeout=BETWEEN_TEXTS)


def _failure(run: Run, task: asyncio.Task[None], answer: Answer) -> JackfieldError | None:
    """Why the answer ended early; raised where nothing had come that could be shown."""
    if task.cancelled():
        if not run.stopped:
            raise asyncio.CancelledError
        return None
    error = task.exception()
    if error is None:
        return None
    if isinstance(error, JackfieldError) and answer.begun:
        return error
    raise error
