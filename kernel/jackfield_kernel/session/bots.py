"""Bots: which ones should be open, which are, and what their adapters say about them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from jackfield.v1 import adapter_bot_pb2, error_pb2, frame_pb2

from ..broker.broker import Broker, CallFailed
from ..config import BotSpec
from ..errors import problem
from ..state.credentials import LEASE_SECONDS, Credentials, Unique
from .border import contained
from .checkpoints import Checkpoints
from .session import Session
from .values import plain_struct

log = logging.getLogger(__name__)

OPEN = "/jackfield.v1.Adapter/OpenBot"
CLOSE = "/jackfield.v1.Adapter/CloseBot"
OPEN_TIMEOUT = 30.0
CREDENTIAL_WAITS = (60.0, 300.0, 900.0, 3600.0)
"""Seconds before a refused credential is tried again; the last one repeats."""
OPEN_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0)
HELD_WAIT = 2.0
"""Seconds after which a credential that somebody else uses is asked for again."""


@dataclass(slots=True)
class Bot:
    """One bot and what is known of it."""

    spec: BotSpec
    state: frame_pb2.BotState.ValueType = frame_pb2.BOT_STATE_STOPPED
    reason: error_pb2.Error | None = None
    open_on: Session | None = None
    opened_as: BotSpec | None = None
    failures: int = 0
    addresses: dict[str, tuple[frame_pb2.Address, ...]] = field(default_factory=dict)
    """Where it is reached, by the plugin that says so; `""` is what its adapter answered at opening."""
    retry: asyncio.TimerHandle | None = field(default=None, repr=False)


class Bots:
    """All bots. Opens and closes them as specs and sessions come and go."""

    def __init__(
        self,
        broker: Broker,
        sessions: Callable[[str], Session | None],
        checkpoints: Checkpoints,
        tasks: asyncio.TaskGroup,
        on_change: Callable[[], None],
        credentials: Credentials,
    ) -> None:
        self.bots: dict[str, Bot] = {}
        self.on_failed: Callable[[Bot], None] = lambda bot: None
        """A bot became FAILED."""
        self._broker = broker
        self._sessions = sessions
        self._checkpoints = checkpoints
        self._tasks = tasks
        self._changed = on_change
        self._credentials = credentials
        credentials.lost = self._lost
        self.on_stuck: Callable[[str, str], None] = lambda instance, why: None
        """Told of an adapter's process that does not do what closing a bot needs."""

    def adapter_of(self, name: str) -> str | None:
        """Plugin id of a bot's adapter; None for a bot that does not exist."""
        bot = self.bots.get(name)
        return bot.spec.adapter if bot is not None and bot.spec.adapter else None

    def used(self, adapter: str) -> bool:
        """Whether any bot that is switched on needs the adapter."""
        return any(bot.spec.adapter == adapter and bot.spec.enabled for bot in self.bots.values())

    def open_on(self, name: str) -> Session | None:
        """The session of the adapter that has the bot open, if it can take calls."""
        bot = self.bots.get(name)
        session = bot.open_on if bot is not None else None
        return session if session is not None and session.ready else None

    def set(self, specs: Iterable[BotSpec]) -> None:
        """The bots that should exist now. Changed ones are opened anew, vanished ones closed."""
        wanted = {spec.name: spec for spec in specs}
        for name in [name for name in self.bots if name not in wanted]:
            self._close(self.bots.pop(name))
        for name, spec in wanted.items():
            bot = self.bots.get(name)
            if bot is None:
                self.bots[name] = bot = Bot(spec)
            elif bot.spec == spec:
                continue
            else:
                self._close(bot)
                bot.spec = spec
                bot.failures = 0
            self._consider(bot)
        self._changed()

    def adapter_ready(self, session: Session) -> None:
        """An adapter can work: open its bots, but for those that are still open in its process.

        What an earlier kernel opened is opened again: OpenBot with the same configuration changes nothing, with another one it
        makes the adapter follow.
        """
        for bot in self.bots.values():
            if bot.spec.adapter != session.plugin:
                continue
            still_open = bot.spec.name in session.open_bots and bot.spec.usable
            if still_open and bot.opened_as == bot.spec:
                self._opened(bot, session)
            else:
                self._consider(bot)

    def adapter_gone(self, session: Session, reason: str, *, serves: bool) -> None:
        """An adapter's session ended: its bots wait for it. `serves`: new bots would have gone to it."""
        for bot in self.bots.values():
            if bot.spec.adapter != session.plugin or not bot.spec.usable:
                continue
            if bot.open_on is session or (serves and bot.open_on is None):
                bot.open_on = None
                self._enter(
                    bot,
                    frame_pb2.BOT_STATE_CONNECTING,
                    problem("UNAVAILABLE", f"its adapter is away: {reason}"),
                )

    async def hand_over(self, earlier: Session, told: Callable[[str], None]) -> None:
        """Move the bots of an adapter, one by one, from an earlier generation to the one that serves."""
        for bot in list(self.bots.values()):
            spec = bot.spec
            if spec.adapter != earlier.plugin or spec.name not in earlier.open_bots:
                continue
            told(spec.name)
            bot.open_on = None
            self._enter(
                bot, frame_pb2.BOT_STATE_CONNECTING, problem("UNAVAILABLE", "its adapter is being upgraded")
            )
            closed = await self._closed(spec, earlier, adapter_bot_pb2.CLOSE_REASON_HANDOVER)
            earlier.open_bots.discard(spec.name)
            session = self._sessions(spec.adapter)
            if closed and bot.spec is spec and session is not None and session.ready:
                self._enter(bot, frame_pb2.BOT_STATE_CONNECTING, None)
                session.open_bots.add(spec.name)
                await self._open(bot, spec, session)

    def reopen(self, bot: Bot, why: str) -> None:
        """Close an open bot and open it again from its checkpoint; an adapter that cannot even close it is stuck."""
        session = bot.open_on
        if session is None:
            return
        bot.open_on = None
        self._enter(bot, frame_pb2.BOT_STATE_CONNECTING, problem("UNAVAILABLE", why))
        work = contained(self._reopened(bot, session), f"opening bot {bot.spec.name} again")
        self._tasks.create_task(work, name=f"reopen {bot.spec.name}")

    async def _reopened(self, bot: Bot, session: Session) -> None:
        spec = bot.spec
        if not await self._closed(spec, session, adapter_bot_pb2.CLOSE_REASON_CONFIGURATION):
            self.on_stuck(
                session.instance, f"It did not close the bot {spec.name} within {OPEN_TIMEOUT:g} s."
            )
            return
        if bot.spec is spec and self._sessions(spec.adapter) is session:
            self._enter(bot, frame_pb2.BOT_STATE_CONNECTING, None)
            await self._open(bot, spec, session)

    def reported(self, session: Session, report: frame_pb2.BotReport) -> None:
        """What an adapter says about a bot of its own."""
        bot = self.bots.get(report.bot)
        if bot is None or report.bot not in session.open_bots or bot.spec.adapter != session.plugin:
            return
        error = report.reason if report.HasField("reason") else None
        self._enter(bot, report.state, error)
        if report.state == frame_pb2.BOT_STATE_ACTIVE:
            bot.failures = 0

    def located(self, session: Session, addresses: Iterable[frame_pb2.Address]) -> None:
        """Where bots are reached, as a plugin says that may know: their adapter, or who takes requests for them."""
        said: dict[str, list[frame_pb2.Address]] = {}
        for address in addresses:
            said.setdefault(address.bot, []).append(address)
        for name, bot in self.bots.items():
            if session.grants.has("ingress") or bot.spec.adapter == session.plugin:
                bot.addresses[session.plugin] = tuple(said.get(name, ()))

    def _consider(self, bot: Bot) -> None:
        spec = bot.spec
        if bot.retry is not None:
            bot.retry.cancel()
            bot.retry = None
        if not spec.enabled:
            self._enter(bot, frame_pb2.BOT_STATE_STOPPED, problem("CANCELLED", "switched off"))
            return
        if not spec.usable:
            found = [*spec.problems, *spec.config.problems]
            text = "; ".join(f"{one.key}: expected {one.expected}" for one in found)
            remedy = " ".join(one.remedy for one in found)
            self._enter(bot, frame_pb2.BOT_STATE_FAILED, problem("CONFIG_INVALID", text, remedy=remedy))
            return
        session = self._sessions(spec.adapter)
        if session is None or not session.ready:
            waiting = problem("UNAVAILABLE", f"waits for its adapter {spec.adapter}")
            self._enter(bot, frame_pb2.BOT_STATE_CONNECTING, waiting)
            return
        self._enter(bot, frame_pb2.BOT_STATE_CONNECTING, None)
        still_open = spec.name in session.open_bots
        session.open_bots.add(spec.name)
        work = contained(self._open(bot, spec, session, still_open=still_open), f"opening bot {spec.name}")
        self._tasks.create_task(work, name=f"open {spec.name}")

    async def _held(self, spec: BotSpec) -> error_pb2.Error | None:
        """Hold the credentials of a bot; who has them when they are not free."""
        return await self._credentials.hold(
            spec.name, [Unique(spec.platform, key, value) for key, value in spec.unique]
        )

    def _lost(self, name: str, error: error_pb2.Error) -> None:
        """Somebody else has the credential of an open bot: close it, and open it again once that is free."""
        bot = self.bots.get(name)
        if bot is not None:
            self._close(bot, adapter_bot_pb2.CLOSE_REASON_LEASE_LOST)
            self._refused(bot, error)

    def _refused(self, bot: Bot, error: error_pb2.Error) -> None:
        if bot.reason is None or bot.reason.reason != error.reason:
            log.warning("bot %s does not open: %s", bot.spec.name, error.message)
        self._enter(bot, frame_pb2.BOT_STATE_FAILED, error)
        bot.retry = asyncio.get_running_loop().call_later(HELD_WAIT, self._consider, bot)

    async def _open(self, bot: Bot, spec: BotSpec, session: Session, *, still_open: bool = False) -> None:
        """`still_open`: the adapter's process has it open, from an earlier kernel."""
        error = await self._held(spec)
        if bot.spec is not spec or self._sessions(spec.adapter) is not session:
            return
        if error is not None:
            self._refused(bot, error)
            session.open_bots.discard(spec.name)
            if still_open:
                await self._closed(spec, session, adapter_bot_pb2.CLOSE_REASON_LEASE_LOST)
            return
        request = adapter_bot_pb2.OpenBotRequest(bot=spec.name, checkpoint=self._checkpoints.of(spec.name))
        if spec.unique:
            request.lease_duration.FromMilliseconds(int(LEASE_SECONDS * 1000))
        request.config.CopyFrom(plain_struct(spec.config.values))
        target = frame_pb2.CallTarget(bot=spec.name)
        try:
            answer = await self._broker.request(
                spec.adapter,
                OPEN,
                request.SerializeToString(),
                target=target,
                timeout=OPEN_TIMEOUT,
                session=session,
            )
        except CallFailed as failure:
            if bot.spec is spec and self._sessions(spec.adapter) is session:
                session.open_bots.discard(spec.name)
                self._failed(bot, failure.error)
            return
        if bot.spec is spec and self._sessions(spec.adapter) is session:
            opened = adapter_bot_pb2.OpenBotResponse.FromString(answer)
            bot.addresses[""] = tuple(frame_pb2.Address(label=a.label, url=a.url) for a in opened.addresses)
            self._opened(bot, session)
        if bot.spec is spec and bot.state == frame_pb2.BOT_STATE_CONNECTING and bot.reason is None:
            self._enter(bot, frame_pb2.BOT_STATE_ACTIVE, None)

    def _opened(self, bot: Bot, session: Session) -> None:
        """Calls that waited for the bot go to its adapter."""
        bot.open_on, bot.opened_as = session, bot.spec
        self._broker.provider_ready(session.plugin)

    def _failed(self, bot: Bot, error: error_pb2.Error) -> None:
        waits = CREDENTIAL_WAITS if error.reason == "AUTH_EXPIRED" else OPEN_WAITS
        wait = waits[min(bot.failures, len(waits) - 1)]
        bot.failures += 1
        log.warning(
            "bot %s does not open: %s: %s; tried again in %g s",
            bot.spec.name,
            error.reason,
            error.message,
            wait,
        )
        self._enter(bot, frame_pb2.BOT_STATE_FAILED, error)
        bot.retry = asyncio.get_running_loop().call_later(wait, self._consider, bot)

    def _close(
        self,
        bot: Bot,
        reason: adapter_bot_pb2.CloseReason.ValueType = adapter_bot_pb2.CLOSE_REASON_REMOVED,
    ) -> None:
        if bot.retry is not None:
            bot.retry.cancel()
            bot.retry = None
        session = self._sessions(bot.spec.adapter)
        if session is None or bot.spec.name not in session.open_bots:
            work = contained(self._credentials.release(bot.spec.name), f"closing bot {bot.spec.name}")
            self._tasks.create_task(work, name=f"release {bot.spec.name}")
            return
        session.open_bots.discard(bot.spec.name)
        bot.open_on = None
        work = contained(self._closed_for_good(bot.spec, session, reason), f"closing bot {bot.spec.name}")
        self._tasks.create_task(work, name=f"close {bot.spec.name}")

    async def _closed_for_good(
        self, spec: BotSpec, session: Session, reason: adapter_bot_pb2.CloseReason.ValueType
    ) -> None:
        await self._closed(spec, session, reason)
        bot = self.bots.get(spec.name)
        if bot is None or not bot.spec.usable:
            await self._credentials.release(spec.name)

    async def _closed(
        self, spec: BotSpec, session: Session, reason: adapter_bot_pb2.CloseReason.ValueType
    ) -> bool:
        """Close a bot where it is open and keep its checkpoint; False when the adapter did not confirm."""
        if session.closed.is_set():
            return True
        request = adapter_bot_pb2.CloseBotRequest(bot=spec.name, reason=reason)
        target = frame_pb2.CallTarget(bot=spec.name)
        try:
            answer = await self._broker.request(
                spec.adapter,
                CLOSE,
                request.SerializeToString(),
                target=target,
                timeout=OPEN_TIMEOUT,
                session=session,
            )
        except CallFailed as failure:
            log.warning("bot %s did not close: %s", spec.name, failure)
            return session.closed.is_set()
        if checkpoint := adapter_bot_pb2.CloseBotResponse.FromString(answer).checkpoint:
            await self._checkpoints.keep(spec.name, checkpoint)
        return True

    def _enter(self, bot: Bot, state: frame_pb2.BotState.ValueType, reason: error_pb2.Error | None) -> None:
        if bot.state == state and bot.reason == reason:
            return
        failed = state == frame_pb2.BOT_STATE_FAILED != bot.state
        bot.state, bot.reason = state, reason
        if failed:
            self.on_failed(bot)
        log.info("bot %s is %s", bot.spec.name, frame_pb2.BotState.Name(state).removeprefix("BOT_STATE_"))
        self._changed()
