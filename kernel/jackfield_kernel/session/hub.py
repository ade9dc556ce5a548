"""All sessions: who is attached, what a lost session held, and the word to supervisor, bots and observers."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import Struct
from jackfield.v1 import frame_pb2, kernel_pb2

from ..broker.broker import Broker
from ..broker.call import Peer
from ..broker.grants import Grants
from ..bus.bus import Bus
from ..bus.model import Delivery
from ..errors import Refused, problem
from ..journal.log import JournalInfo, LogDriver, Put, Unit
from ..journal.reading import every
from ..supervisor.spec import plugin_of
from .attach import FrameLoop, Stream
from .framing import MAX_BATCH_BYTES, MAX_FRAME_BYTES, DecodeError, parse
from .generations import Sessions
from .identity import Identities, hashed
from .intake import MAX_UNACKNOWLEDGED, STREAM_BUCKET
from .publishing import PublishStream
from .session import Session

log = logging.getLogger(__name__)

CONTRACT_VERSIONS = (1,)
FEATURES = ("steer", "merge", "streaming-calls")
HEARTBEAT_SECONDS = 2.0
ADOPTION_SECONDS = 5.0
"""How long the deliveries of a lost stream wait for the same process to attach again."""
REGISTERED_SECONDS = 10.0
LOST_BUCKET = "lost-tail"
"""Plugins that were acknowledged more than the journal holds: both sequences, until the operator accepts it."""


@dataclass(slots=True)
class Admitted:
    """What the operator and the manifest say about a plugin that registers."""

    digest: str
    grants: Grants
    config: Struct
    config_version: int = 1


@dataclass(slots=True)
class _Registered:
    instance: str
    proof: bytes
    expires: asyncio.TimerHandle


@dataclass(slots=True)
class _Held:
    deliveries: list[Delivery] = field(default_factory=list)
    timer: asyncio.TimerHandle | None = None


class Listener:
    """What the hub tells the others. Every method may be replaced."""

    registered: Callable[[str, str], None] = staticmethod(lambda plugin, session: None)
    attached: Callable[[Session], None] = staticmethod(lambda session: None)
    detached: Callable[[Session, str], None] = staticmethod(lambda session, reason: None)
    refused: Callable[[str, int, Refused], None] = staticmethod(lambda plugin, pid, refusal: None)


class Hub:
    """Sessions by plugin id. `admit` says what is known of a plugin; None refuses it."""

    def __init__(
        self,
        bus: Bus,
        broker: Broker,
        identities: Identities,
        driver: LogDriver,
        info: JournalInfo,
        admit: Callable[[str], Admitted | None],
        kernel_version: str,
    ) -> None:
        self.sessions = Sessions()
        self.listener = Listener()
        self.stopping = False
        """The kernel ends: sessions that end now count nothing against their deliveries."""
        self.lost_tail: dict[str, tuple[int, int]] = {}
        self._bus = bus
        self._broker = broker
        self._identities = identities
        self._driver = driver
        self._info = info
        self._admit = admit
        self._version = kernel_version
        self._streams: dict[str, PublishStream] = {}
        self._registered: dict[str, _Registered] = {}
        self._held: dict[str, _Held] = {}
        bus.shares.on_change = self.push_back

    async def load(self) -> None:
        """Read how far each publish stream came."""
        async for plugin, entry in every(self._driver, STREAM_BUCKET):
            self._streams[plugin] = PublishStream(int(entry.value))
        async for plugin, entry in every(self._driver, LOST_BUCKET):
            acknowledged, committed = map(int, entry.value.split())
            self._hold(plugin, acknowledged, committed)

    def peer(self, plugin: str) -> Peer | None:
        """The attached session of a plugin that can take calls."""
        session = self.sessions.serving(plugin)
        return session if session is not None and session.ready and not session.ending else None

    def by_id(self, session_id: str) -> Session:
        """The attached session with this id. Raises Refused."""
        for session in self.sessions:
            if session.id == session_id:
                return session
        raise Refused(
            "UNAUTHENTICATED", "no attached session has this id", remedy="Register and attach first."
        )

    # Register -------------------------------------------------------------------------------------------------------

    def register(self, instance: str, request: kernel_pb2.RegisterRequest) -> kernel_pb2.RegisterResponse:
        """Open a session for the plugin whose socket this is. Raises Refused."""
        try:
            admitted = self._checked(instance, request)
        except Refused as refusal:
            log.warning("plugin %s was refused: %s", instance, refusal, extra={"reason": refusal.reason})
            self.listener.refused(instance, request.pid, refusal)
            raise
        session_id = secrets.token_urlsafe(16)
        expires = asyncio.get_running_loop().call_later(
            REGISTERED_SECONDS, self._registered.pop, session_id, None
        )
        self._registered[session_id] = _Registered(instance, hashed(request.secret), expires)
        self.listener.registered(instance, session_id)
        return kernel_pb2.RegisterResponse(
            session_id=session_id,
            contract_version=max(set(request.contract_versions) & set(CONTRACT_VERSIONS)),
            kernel_version=self._version,
            features=[name for name in FEATURES if name in request.features],
            grants=admitted.grants.names,
            max_frame_bytes=MAX_FRAME_BYTES,
            max_batch_bytes=MAX_BATCH_BYTES,
        )

    def _checked(self, instance: str, request: kernel_pb2.RegisterRequest) -> Admitted:
        plugin, admitted = plugin_of(instance), self._admit(instance)
        if (
            request.plugin != plugin
            or admitted is None
            or not self._identities.matches(instance, request.secret)
        ):
            raise Refused(
                "UNAUTHENTICATED",
                f"the secret is not that of plugin {plugin}",
                remedy="Let the kernel start the plugin; it reads the secret from the file JACKFIELD_BOOTSTRAP names.",
            )
        if not set(request.contract_versions) & set(CONTRACT_VERSIONS):
            theirs = ", ".join(map(str, request.contract_versions)) or "none"
            ours = ", ".join(map(str, CONTRACT_VERSIONS))
            raise Refused(
                "CONTRACT_MISMATCH",
                f"plugin {plugin} speaks contract versions {theirs}; this kernel speaks {ours}",
                remedy="Install a version of the plugin for this kernel, or another kernel.",
                kernel_versions=ours,
                plugin_versions=theirs,
            )
        if request.manifest_digest and request.manifest_digest != admitted.digest:
            raise Refused(
                "MANIFEST_MISMATCH",
                f"plugin {plugin} runs with another manifest than the kernel read",
                remedy=f"jackfield plugin restart {plugin}",
            )
        return admitted

    # Attach ---------------------------------------------------------------------------------------------------------

    async def attach(
        self, instance: str, batches: AsyncIterator[bytes], stream: Stream, loop: FrameLoop
    ) -> None:
        """Serve one control stream from its first frame to its end. Raises Refused before the session stands."""
        first = await anext(batches, b"")
        try:
            frames = parse(first)
        except DecodeError as error:
            raise Refused(
                "PROTOCOL_VIOLATION", "the first stream message is no FrameBatch", frame="attach"
            ) from error
        if not frames or frames[0].WhichOneof("kind") != "attach":
            raise Refused("PROTOCOL_VIOLATION", "the first frame of a stream is `attach`", frame="attach")
        attach = frames[0].attach
        registered = self._registered.pop(attach.session_id, None)
        admitted = self._admit(instance)
        if registered is None or registered.instance != instance or admitted is None:
            raise Refused("UNAUTHENTICATED", "this session id is not known", remedy="Register first.")
        registered.expires.cancel()
        token = await self._identities.attached(instance, registered.proof)
        session = await self._begin(instance, attach, admitted, token)
        await stream.write(session.take())
        for frame in frames[1:]:
            loop.batch(session, frame_pb2.FrameBatch(frames=[frame]).SerializeToString())
        reason = "the stream ended"
        try:
            await loop.run(session, batches, stream)
        finally:
            if session.close_error is not None:
                reason = f"{session.close_error.reason}: {session.close_error.message}"
            self._end(session, reason)
        if session.close_error is not None:
            raise Refused(session.close_error.reason, session.close_error.message)

    async def _begin(
        self, instance: str, attach: frame_pb2.Attach, admitted: Admitted, token: str
    ) -> Session:
        self._replace(instance)
        publishes = self._streams.setdefault(instance, PublishStream(0))
        await publishes.quiet()
        self._replace(instance)
        session = Session(instance, attach.session_id, admitted.grants, publishes)
        session.credit(attach.credit)
        session.open_bots.update(attach.open_bots)
        self.sessions.add(session)
        if attach.acknowledged_sequence > publishes.committed:
            self._tail_lost(instance, publishes, attach.acknowledged_sequence)
        attached = frame_pb2.Attached(
            journal=self._info.identity,
            boot=self._info.boot,
            resume_token=token,
            committed_sequence=publishes.committed,
            config=frame_pb2.Config(
                version=admitted.config_version, config=admitted.config, grants=admitted.grants.names
            ),
            credit=frame_pb2.Credit(publishes=MAX_UNACKNOWLEDGED, paused=self._paused(session)),
            kept=self._adopt(session, attach),
            heartbeat=Duration(seconds=int(HEARTBEAT_SECONDS)),
        )
        session.send(frame_pb2.Frame(attached=attached))
        self.listener.attached(session)
        return session

    def _paused(self, session: Session) -> frame_pb2.PausedBots:
        return frame_pb2.PausedBots(bots=sorted(self._bus.shares.paused & session.open_bots))

    def push_back(self, bot: str) -> None:
        """A bot has to wait with its publishes, or may go on: tell the adapter that has it open."""
        for session in self.sessions:
            if bot in session.open_bots:
                credit = frame_pb2.Credit(paused=self._paused(session))
                session.send(frame_pb2.Frame(credit=credit))

    def _replace(self, instance: str) -> None:
        earlier = self.sessions.of(instance)
        if earlier is not None:
            earlier.close(problem("SESSION_REPLACED", "a newer session of this plugin took its place"))
            self._end(earlier, "replaced")

    def _tail_lost(self, plugin: str, publishes: PublishStream, acknowledged: int) -> None:
        """What the plugin sends from now on is taken in again; what was acknowledged and is gone is said until accepted."""
        lost = Put(LOST_BUCKET, plugin, f"{acknowledged} {publishes.committed}".encode())
        self._bus.journal.put(lost)
        self._hold(plugin, acknowledged, publishes.committed)
        publishes.received = publishes.committed = acknowledged

    def _hold(self, plugin: str, acknowledged: int, committed: int) -> None:
        self.lost_tail[plugin] = (acknowledged, committed)
        text = f"the journal ends at publish {committed} of {plugin}, which was acknowledged up to {acknowledged}"
        self._bus.turns.holds["LOST_TAIL"] = text
        log.error("nothing is leased: %s", text)

    async def accept_loss(self) -> list[str]:
        """The operator accepts what is lost: leasing goes on. Returns what, for people; durable on return."""
        ended = [
            f"{acknowledged - committed} publishes of {plugin} are lost"
            for plugin, (acknowledged, committed) in sorted(self.lost_tail.items())
        ]
        puts = []
        for plugin, (acknowledged, _) in self.lost_tail.items():
            stream = self._streams.setdefault(plugin, PublishStream(0))
            stream.committed = max(stream.committed, acknowledged)
            stream.received = max(stream.received, stream.committed)
            puts.append(Put(LOST_BUCKET, plugin, None))
            puts.append(Put(STREAM_BUCKET, plugin, str(stream.committed).encode()))
        await self._bus.journal.write(Unit(puts=tuple(puts)))
        self.lost_tail.clear()
        self._bus.turns.holds.pop("LOST_TAIL", None)
        self._bus.turns.flush()
        return ended

    def _adopt(self, session: Session, attach: frame_pb2.Attach) -> list[frame_pb2.Kept]:
        """Lease to the new stream what the process still runs; give back what it does not know of."""
        held = self._held.pop(session.instance, _Held())
        if held.timer is not None:
            held.timer.cancel()
        running = {one.delivery_id: one.fence for one in sorted(attach.running, key=lambda one: one.fence)}
        kept = self._bus.resume(session, running)
        unknown: list[Delivery] = []
        for delivery in held.deliveries:
            old = running.get(delivery.id)
            if old is None or old != delivery.fence:
                unknown.append(delivery)
                continue
            kept.append(frame_pb2.Kept(old_fence=old, new_fence=self._bus.adopt(delivery, session)))
        self._bus.lost(unknown, "the process attached again without it", counted=False)
        return kept

    def _end(self, session: Session, reason: str) -> None:
        instance = session.instance
        if not self.sessions.remove(session):
            return
        session.close()
        session.ready = False
        held = self._bus.detach(session)
        self._broker.lost(session)
        if session.ending or self.stopping:
            self._bus.lost(held, reason, counted=False)
        elif held:
            timer = asyncio.get_running_loop().call_later(ADOPTION_SECONDS, self._give_back, instance, reason)
            self._held[instance] = _Held(held, timer)
        self._bus.turns.flush()
        self.listener.detached(session, reason)

    def process_gone(self, instance: str, reason: str) -> None:
        """The process of a plugin ended: nothing that it held will come back from it."""
        session = self.sessions.of(instance)
        if session is not None:
            session.close(problem("PLUGIN_EXITED", reason))
            self._end(session, reason)
        self._give_back(instance, reason)
        if not self.stopping:
            self._broker.gone(plugin_of(instance), instance)

    def _give_back(self, instance: str, reason: str) -> None:
        held = self._held.pop(instance, None)
        if held is not None:
            if held.timer is not None:
                held.timer.cancel()
            self._bus.lost(held.deliveries, reason, counted=not self.stopping)
            self._bus.turns.flush()

    # Readiness ------------------------------------------------------------------------------------------------------

    def ready(self, session: Session) -> None:
        """The plugin can work: deliveries and waiting calls go to it, if it is the generation that serves."""
        if not session.ready:
            session.ready = True
            if self.sessions.serves(session):
                self._bus.attach(session)
                self._broker.provider_ready(session.plugin)

    def promote(self, instance: str) -> Session | None:
        """From now on this generation serves; the other one keeps what it has. Returns the session of the other one."""
        plugin = plugin_of(instance)
        earlier = self.sessions.serving(plugin)
        self.sessions.promote(plugin, instance)
        session = self.sessions.serving(plugin)
        if session is not None and session.ready:
            self._bus.attach(session)
            self._broker.provider_ready(plugin)
        return earlier

    def not_ready(self, session: Session) -> None:
        """The plugin cannot work for now: what it holds stays with it, nothing new goes to it."""
        session.ready = False
        self._bus.detach(session)

    def reconfigure(self, plugin: str, admitted: Admitted) -> None:
        """Configuration or grants changed."""
        session = self.sessions.serving(plugin)
        if session is None:
            return
        session.grants = admitted.grants
        config = frame_pb2.Config(
            version=admitted.config_version, config=admitted.config, grants=admitted.grants.names
        )
        session.send(frame_pb2.Frame(config=config))
