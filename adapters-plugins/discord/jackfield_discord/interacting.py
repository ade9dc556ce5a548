"""Interactions that Discord waits for: within three seconds each is told that an answer comes."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from jackfield_sdk import Bot, JackfieldError

from jackfield_discord.convert.controls import OPENS, Meaning
from jackfield_discord.convert.interactions import COMMAND, COMPONENT
from jackfield_discord.convert.values import integer_of, table, text_of
from jackfield_discord.rest import Rest

# Answers to an interaction.
DEFERRED_MESSAGE, DEFERRED_UPDATE, MODAL = 5, 6, 9
ANSWER_SECONDS = 2.5
# Forms that can be opened; an older one is told to be gone.
MOST_FORMS = 1_000


class Waiting:
    """Of one bot. Deferring begins before the event is durable: the platform waits three seconds for it and never repeats."""

    def __init__(self, bot: Bot, rest: Rest) -> None:
        self._bot = bot
        self._rest = rest
        self._tasks: set[asyncio.Task[None]] = set()
        self._forms: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def keep_form(self, form_id: str, modal: dict[str, Any]) -> None:
        """The window that a form's button opens."""
        self._forms[form_id] = modal
        self._forms.move_to_end(form_id)
        if len(self._forms) > MOST_FORMS:
            self._forms.popitem(last=False)

    def opens_form(self, native: Mapping[str, Any]) -> bool:
        """True when a button only opens a form: nothing to tell anybody yet."""
        meaning = Meaning.decode(text_of(table(native.get("data")).get("custom_id")))
        return (
            integer_of(native.get("type")) == COMPONENT
            and meaning.opens == OPENS
            and meaning.controls_id in self._forms
        )

    def arrived(self, native: Mapping[str, Any]) -> None:
        """An interaction came: its three seconds run."""
        kind = integer_of(native.get("type"))
        answer: dict[str, Any] = {"type": DEFERRED_MESSAGE if kind == COMMAND else DEFERRED_UPDATE}
        if self.opens_form(native):
            meaning = Meaning.decode(text_of(table(native.get("data")).get("custom_id")))
            answer = {"type": MODAL, "data": self._forms[meaning.controls_id]}
        task = asyncio.create_task(
            self._answer(text_of(native.get("id")), text_of(native.get("token")), answer)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, interaction_id: str, token: str, answer: dict[str, Any]) -> None:
        if not interaction_id or not token:
            return
        try:
            await self._rest.request(
                "POST", "interactions", interaction_id, token, "callback", body=answer, timeout=ANSWER_SECONDS
            )
        except JackfieldError as error:
            # Answered by an earlier process, or too late: the reply goes to the channel.
            self._bot.log.info("an interaction was not deferred: %s", error)

    async def close(self) -> None:
        """Lets the answers on their way be given."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=ANSWER_SECONDS)
