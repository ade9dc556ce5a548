"""The HTTP side: who asks, what is asked, and the answer while it grows."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web
from jackfield_sdk import Bot

from jackfield_api_server.asking import Asking, publish
from jackfield_api_server.desk import Desk, Waiting
from jackfield_api_server.failure import SERVER, Failure
from jackfield_api_server.question import Question, chat_question, checked_name, responses_question
from jackfield_api_server.shapes import ChatShape, ResponsesShape, Shape

MAX_BODY = 1 << 20
# Seconds for the body to come, and between two signs of life in a stream.
BODY_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 15.0
SSE = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ApiServer:
    """Serves the open bots. `bots` is the adapter's own table and changes under us; `deadline` in seconds."""

    def __init__(self, bots: Mapping[str, Bot], desk: Desk, deadline: float) -> None:
        self._bots = bots
        self._desk = desk
        self._deadline = deadline

    def app(self) -> web.Application:
        """The application to serve."""
        app = web.Application(client_max_size=MAX_BODY, middlewares=[_told])
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/v1/models/{model}", self._model)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/v1/responses", self._responses)
        return app

    async def _models(self, request: web.Request) -> web.StreamResponse:
        bot = self._bot(request)
        return web.json_response({"object": "list", "data": [_shown(bot)]})

    async def _model(self, request: web.Request) -> web.StreamResponse:
        bot = self._bot(request)
        if request.match_info["model"] != bot.name:
            raise Failure(404, "model_not_found", f"the only model of this key is {bot.name}", param="model")
        return web.json_response(_shown(bot))

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        bot = self._bot(request)
        question = chat_question(await _body(request))

        def shape(mark: str, model: str) -> Shape:
            return ChatShape(mark, model, int(time.time()), question.usage)

        return await self._asked(request, bot, question, shape)

    async def _responses(self, request: web.Request) -> web.StreamResponse:
        bot = self._bot(request)
        question = responses_question(await _body(request))

        def shape(mark: str, model: str) -> Shape:
            return ResponsesShape(mark, model, int(time.time()))

        return await self._asked(request, bot, question, shape)

    def _bot(self, request: web.Request) -> Bot:
        """The bot of the key. Every key is compared, in constant time. Raises Failure."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        found: Bot | None = None
        for bot in list(self._bots.values()):
            if hmac.compare_digest(_digest(str(bot.config["key"])), _digest(given.strip())):
                found = bot
        if found is None or scheme.lower() != "bearer":
            raise Failure(
                401, "invalid_api_key", "no open bot has this key: send it as Authorization: Bearer ..."
            )
        return found

    async def _asked(
        self, request: web.Request, bot: Bot, question: Question, shape: Callable[[str, str], Shape]
    ) -> web.StreamResponse:
        until = asyncio.get_running_loop().time() + self._deadline
        asking = _asking(request, bot, question)
        waiting = self._desk.ask(bot.name, asking.chat, asking.mark)
        try:
            if not waiting.is_final:
                await publish(bot, question, asking, until)
            answer = shape(asking.mark, question.model or bot.name)
            if question.stream:
                return await self._stream(request, waiting, answer, until)
            return await self._whole(request, waiting, answer, until)
        finally:
            self._desk.leave(waiting)

    async def _whole(
        self, request: web.Request, waiting: Waiting, shape: Shape, until: float
    ) -> web.StreamResponse:
        while not waiting.is_final:
            try:
                async with asyncio.timeout_at(until):
                    await waiting.change()
            except TimeoutError as error:
                raise self._late() from error
        response = web.json_response(shape.whole(waiting.text))
        await response.prepare(request)
        await response.write_eof()
        self._taken(waiting)
        return response

    async def _stream(
        self, request: web.Request, waiting: Waiting, shape: Shape, until: float
    ) -> web.StreamResponse:
        """From here on a failure is told within the stream."""
        response = web.StreamResponse(headers=SSE)
        await response.prepare(request)
        for piece in shape.begin():
            await response.write(piece)
        sent = ""
        try:
            is_final = False
            while not is_final:
                await self._patiently(waiting, response, until)
                is_final = waiting.is_final
                more = _more(sent, waiting.text, is_final=is_final)
                sent += more
                for piece in shape.grow(more) if more else ():
                    await response.write(piece)
            for piece in shape.end(sent):
                await response.write(piece)
        except Failure as failure:
            for piece in shape.fail(failure):
                await response.write(piece)
            await response.write_eof()
            return response
        await response.write_eof()
        self._taken(waiting)
        return response

    async def _patiently(self, waiting: Waiting, response: web.StreamResponse, until: float) -> None:
        """Waits for a change; shows meanwhile that the connection lives. Raises Failure at the deadline."""
        clock = asyncio.get_running_loop().time
        while True:
            try:
                async with asyncio.timeout_at(min(until, clock() + KEEP_ALIVE_SECONDS)):
                    return await waiting.change()
            except TimeoutError as error:
                if clock() >= until:
                    raise self._late() from error
                await response.write(b": waiting\n\n")

    def _taken(self, waiting: Waiting) -> None:
        self._desk.keep(waiting)
        waiting.settle(taken=True)

    def _late(self) -> Failure:
        return Failure(
            504, "timeout", f"nobody answered within {self._deadline:g} s", kind=SERVER, final=True
        )


def _more(sent: str, text: str, *, is_final: bool) -> str:
    """What to send next. Words that were sent stay: a text that changed its beginning follows whole, once it is final."""
    if text.startswith(sent):
        return text[len(sent) :]
    return f"\n\n{text}" if is_final else ""


def _asking(request: web.Request, bot: Bot, question: Question) -> Asking:
    """Which chat, under which name."""
    repeat = request.headers.get("Idempotency-Key")
    mark = secrets.token_hex(12)
    if repeat is not None:
        mark = _hash(bot.name, "repeat", checked_name(repeat, "Idempotency-Key"))
    session = request.headers.get("X-Session-Id")
    if session is not None:
        chat = checked_name(session, "X-Session-Id")
    elif question.user:
        chat = f"user-{_hash(str(bot.config['key']), question.user)}"
    else:
        chat = f"once-{mark}"
    return Asking(chat, mark, dedup=repeat is not None)


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


def _shown(bot: Bot) -> dict[str, Any]:
    return {"id": bot.name, "object": "model", "created": 0, "owned_by": "jackfield"}


async def _body(request: web.Request) -> Any:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return json.loads(await request.read())
    except TimeoutError as error:
        raise Failure(408, "timeout", f"the body did not come within {BODY_SECONDS:g} s") from error
    except (ValueError, RecursionError) as error:
        raise Failure(400, "invalid_json", "the body is no JSON") from error


@web.middleware
async def _told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal in the form that clients of OpenAI read."""
    try:
        return await handler(request)
    except Failure as failure:
        return failure.response()
    except web.HTTPRequestEntityTooLarge:
        return Failure(413, "content_too_large", f"a request has at most {MAX_BODY} bytes").response()
    except web.HTTPMethodNotAllowed as error:
        return Failure(
            405, "method_not_allowed", f"{request.path} takes {', '.join(error.allowed_methods)}"
        ).response()
    except web.HTTPNotFound:
        return Failure(
            404, "not_found", "there are /v1/models, /v1/chat/completions and /v1/responses"
        ).response()
