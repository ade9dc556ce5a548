"""Interactions that Discord waits for: within three seconds each is told that an answer comes."""

from __future__ import annotations

import asyncio
import json
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
# Forms in memory; all are in the plugin's store as well.
MOST_FORMS = 1_000
KEPT_SECONDS = 30 * 86_400
LOOK_SECONDS = 1.0


class Waiting:
    """Of one bot. Deferring begins before the event is durable: the platform waits three seconds for it and never repeats."""

    def __init__(self, bot: Bot, rest: Rest) -> None:
        self._bot = bot
        self._rest = rest
        self._tasks: set[asyncio.Task[None]] = set()
        self._forms: OrderedDict[str, dict[str, Any]] = OrderedDict()

    async def keep_form(self, form_id: str, modal: dict[str, Any]) -> None:
        """The window that a form's button opens; kept over restarts. Raises JackfieldError."""
        self._remember(form_id, modal)
        await self._bot.plugin.kv.put(f"form/{form_id}"[:512], json.dumps(modal), ttl=KEPT_SECONDS)

    async def arrived(self, native: Mapping[str, Any]) -> bool:
        """An interaction came: its three seconds run. False when there is nothing to tell anybody: a button only opens a form."""
        kind = integer_of(native.get("type"))
        answer: dict[str, Any] = {"type": DEFERRED_MESSAGE if kind == COMMAND else DEFERRED_UPDATE}
        meaning = Meaning.decode(text_of(table(native.get("data")).get("custom_id")))
        modal = None
        if kind == COMPONENT and meaning.opens == OPENS:
            modal = await self._form(meaning.controls_id)
        if modal is not None:
            answer = {"type": MODAL, "data": modal}
        task = asyncio.create_task(
            self._answer(text_of(native.get("id")), text_of(native.get("token")), answer)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return modal is None

    async def _form(self, form_id: str) -> dict[str, Any] | None:
        if form_id in self._forms:
            return self._forms[form_id]
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                kept = await self._bot.plugin.kv.get_text(f"form/{form_id}"[:512])
        except (JackfieldError, TimeoutError) as error:
            self._bot.log.warning("a form cannot be opened: %s", error)
            return None
        if kept:
            self._remember(form_id, table(json.loads(kept)))
        return self._forms.get(form_id)

    def _remember(self, form_id: str, modal: dict[str, Any]) -> None:
        self._forms[form_id] = modal
        self._forms.move_to_end(form_id)
        if len(self._forms) > MOST_FORMS:
            self._forms.popitem(last=False)

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
