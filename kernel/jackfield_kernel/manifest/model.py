"""What `jackfield-plugin.yaml` may say, key by key.

Unknown keys are errors: a misspelt one must not be ignored.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from .grants import EventPattern, Grant
from .names import ActionName, CommandName, EventName, PluginId, ServiceName, Version
from .routes import Route
from .schema import JsonSchema, properties_of
from .text import Text
from .units import Duration, Size


def expected(what: str, remedy: str = "") -> PydanticCustomError:
    """Build a finding whose text is `what` was expected and how to mend it."""
    return PydanticCustomError("expected", "{expected}", {"expected": what, "remedy": remedy})


class Strict(BaseModel):
    """Base of every manifest table: no unknown keys, no silent conversion, no change after reading."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Run(Strict):
    """How the plugin starts; exactly one key."""

    python: Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")] | None = None
    """Module started as `python -m MODULE`."""
    exec: Annotated[list[str], Field(min_length=1)] | None = None
    """Program and arguments; a program with a slash is relative to the manifest's folder."""
    remote: Literal[True] | None = None
    """Started by someone else; the kernel only waits for it."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if len([way for way in (self.python, self.exec, self.remote) if way is not None]) != 1:
            raise expected("exactly one of python, exec and remote", "Keep the one way this plugin starts.")
        return self


class EventSchema(Strict):
    """The shape of one event type of the plugin's own."""

    schema_: Annotated[JsonSchema, Field(alias="schema")]
    """JSON Schema of the event's data."""


class Segments(Strict):
    """Message segment kinds the platform can receive from users and send to them."""

    receive: list[str] = []
    """Kinds of segments that users can send."""
    send: list[str] = []
    """Kinds of segments that the bot can send; others get a fallback."""


class TextLimit(Strict):
    """A length limit of the platform and the unit it counts in."""

    max: Annotated[int, Field(gt=0)]
    """The most that one message may hold."""
    unit: Literal["utf16", "codepoints", "bytes"]
    """What it counts."""


class Action(Strict):
    """A platform action callable by name, beside the typed methods."""

    name: ActionName
    """Name by which it is called."""
    description: Text
    """What it does, for people and for agents."""
    danger: Literal["safe", "mutating", "destructive"] = "mutating"
    """`safe` changes nothing, `destructive` cannot be undone."""
    params: JsonSchema = {"type": "object"}
    """JSON Schema of its parameters."""
    result: JsonSchema = {"type": "object"}
    """JSON Schema of its result."""


class Command(Strict):
    """A chat command the plugin answers, listed by the command plugin."""

    name: CommandName
    """Name without the slash."""
    aliases: list[CommandName] = []
    """Other names."""
    description: Text
    """What it does."""
    usage: str = ""
    """Its arguments, for people."""
    admin: bool = False
    """Only for administrators of the command plugin."""
    busy: Literal["inline", "allowed", "rejected"] = "allowed"
    """While a run is going in its chat: `inline` acts on that run, `allowed` runs beside it, `rejected` is refused."""
    bypass: bool = False
    """Older word for `busy: inline`."""


class DefaultBot(Strict):
    """A bot that exists while the plugin is installed and nothing else configures it."""

    name: PluginId
    """Name of the bot."""
    config: dict[str, Any] = {}
    """Its configuration, by `bot_config`."""


class Liveness(Strict):
    """How an adapter proves that a bot still hears its platform."""

    signal: Text
    """What the proof is, in words: `an answer to getUpdates`."""
    within: Annotated[Duration, Field(ge=1.0)]
    """Longest time between two proofs while all is well, in seconds; at least a few times the platform's own rhythm."""


class Provides(Strict):
    """What others may use of this plugin."""

    services: list[ServiceName] = []
    """Full names of gRPC services that it serves."""
    platform: PluginId | None = None
    """Name of the chat platform; adapters only."""
    intake: Literal["acknowledged", "resumable", "unacknowledged"] | None = None
    """What the platform does with an update that nobody took: it waits for an acknowledgement, resumes by sequence, or forgets it."""
    dedup_horizon: Duration | None = None
    """How long the platform may deliver an update again."""
    liveness: Liveness | None = None
    """How it proves that its bots still hear the platform; adapters only."""
    events: list[EventName] = []
    """Types that the adapter publishes."""
    platform_events: dict[EventName, EventSchema] = {}
    """Types `platform.<platform>.<action>`, by action."""
    apis: list[ActionName] = []
    """Methods of the Adapter service that work, in snake case."""
    segments: Segments = Segments()
    """What messages can hold."""
    hint: Text | None = None
    """What an agent's model should know about writing there: markup, length, media; adapters only."""
    limits: dict[str, TextLimit] = {}
    """Length limits by name, such as `text`."""
    actions: list[Action] = []
    """What only this platform can do."""
    handles: list[EventPattern] = []
    """Patterns of events that its handler takes; empty: every event. The router refuses a rule for any other."""
    commands: list[Command] = []
    """Chat commands that it answers."""
    event_types: dict[EventName, EventSchema] = {}
    """Types of its own, by the name after `<plugin id>.`."""
    default_bots: list[DefaultBot] = []
    """Bots that exist without being configured."""
    routes: list[Route] = []
    """Where its platform sends requests; adapters only."""


class Limits(Strict):
    """Resource limits of the plugin's whole process tree; bytes, cores, processes, open files."""

    memory: Size | None = None
    """Bytes, such as `256MiB`."""
    cpu: Annotated[float, Field(gt=0)] | None = None
    """Cores."""
    pids: Annotated[int, Field(gt=0)] | None = None
    """Processes and threads."""
    files: Annotated[int, Field(ge=16)] | None = None
    """Open files of one process."""


class Restart(Strict):
    """Back-off between failed starts, in seconds."""

    backoff: Duration = 0.5
    """Before the second start in a row."""
    backoff_max: Duration = 60.0
    """The longest pause."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 < self.backoff <= self.backoff_max:
            raise expected("0 < backoff <= backoff_max", "Make backoff_max at least as long as backoff.")
        return self


Kind = Literal["adapter", "handler", "router", "sandbox", "tool", "model", "conversation", "service"]


class Manifest(Strict):
    """One plugin's manifest. `path` and `digest` are set by `load_manifest`."""

    manifest: Literal[1]
    """Version of this format."""
    name: PluginId
    """Id of the plugin."""
    version: Version
    """Its version."""
    contract: Literal[1]
    """Version of the contracts that it speaks."""
    kind: Kind
    """What it is, for people and listings."""
    title: Text
    """Its name for people; a text, or a map by language."""
    description: Text
    """One sentence on what it does."""
    run: Run
    """How it starts."""
    provides: Provides = Provides()
    """What others may use."""
    observes: list[EventPattern] = []
    """Patterns of events that it sees beside their handling."""
    config: JsonSchema = {"type": "object", "properties": {}}
    """JSON Schema of its configuration; keys may carry `secret`, `env`, `title`."""
    bot_config: JsonSchema = {"type": "object", "properties": {}}
    """JSON Schema of the configuration of each bot; keys may carry `unique` too."""
    rule_config: JsonSchema = {"type": "object", "properties": {}}
    """JSON Schema of the configuration that a rule gives it."""
    grants: list[Grant] = []
    """What the operator is asked to allow."""
    limits: Limits = Limits()
    """What its processes may use."""
    restart: Restart = Restart()
    """How fast it is started again."""

    @model_validator(mode="after")
    def _lends_what_it_has(self) -> Self:
        known, names = properties_of(self.bot_config), [route.name for route in self.provides.routes]
        if len(set(names)) != len(names):
            raise expected("routes with different names", "Rename one of provides.routes.")
        for key in sorted(self.lent - set(known)):
            raise expected(f"a key {key} in bot_config", "provides.routes lends it: describe it there.")
        return self

    @property
    def lent(self) -> frozenset[str]:
        """Keys of a bot's configuration that verify the requests of its routes."""
        return frozenset(key for route in self.provides.routes for key in route.verify.secrets.values())

    _path: Path = PrivateAttr(default=Path("jackfield-plugin.yaml"))
    _digest: str = PrivateAttr(default="")

    @property
    def path(self) -> Path:
        """The file this was read from."""
        return self._path

    @property
    def digest(self) -> str:
        """SHA-256 of the file and the version, in hex."""
        return self._digest

    def read_from(self, path: Path, digest: str) -> Manifest:
        """Return a copy that knows where it was read from."""
        copy = self.model_copy()
        copy._path, copy._digest = path, digest
        return copy
