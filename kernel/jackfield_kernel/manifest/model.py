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


class Segments(Strict):
    """Message segment kinds the platform can receive from users and send to them."""

    receive: list[str] = []
    send: list[str] = []


class TextLimit(Strict):
    """A length limit of the platform and the unit it counts in."""

    max: Annotated[int, Field(gt=0)]
    unit: Literal["utf16", "codepoints", "bytes"]


class Action(Strict):
    """A platform action callable by name, beside the typed methods."""

    name: ActionName
    description: Text
    danger: Literal["safe", "mutating", "destructive"] = "mutating"
    params: JsonSchema = {"type": "object"}
    result: JsonSchema = {"type": "object"}


class Command(Strict):
    """A chat command the plugin answers, listed by the command plugin."""

    name: CommandName
    aliases: list[CommandName] = []
    description: Text
    usage: str = ""
    admin: bool = False
    bypass: bool = False


class DefaultBot(Strict):
    """A bot that exists while the plugin is installed and nothing else configures it."""

    name: PluginId
    config: dict[str, Any] = {}


class Liveness(Strict):
    """How an adapter proves that a bot still hears its platform."""

    signal: Text
    """What the proof is, in words: `an answer to getUpdates`."""
    within: Annotated[Duration, Field(ge=1.0)]
    """Longest time between two proofs while all is well, in seconds; at least a few times the platform's own rhythm."""


class Provides(Strict):
    """What others may use of this plugin."""

    services: list[ServiceName] = []
    platform: PluginId | None = None
    intake: Literal["acknowledged", "resumable", "unacknowledged"] | None = None
    dedup_horizon: Duration | None = None
    liveness: Liveness | None = None
    events: list[EventName] = []
    platform_events: dict[EventName, EventSchema] = {}
    apis: list[ActionName] = []
    segments: Segments = Segments()
    limits: dict[str, TextLimit] = {}
    actions: list[Action] = []
    commands: list[Command] = []
    event_types: dict[EventName, EventSchema] = {}
    default_bots: list[DefaultBot] = []
    routes: list[Route] = []


class Limits(Strict):
    """Resource limits of the plugin's whole process tree; bytes, cores, processes, open files."""

    memory: Size | None = None
    cpu: Annotated[float, Field(gt=0)] | None = None
    pids: Annotated[int, Field(gt=0)] | None = None
    files: Annotated[int, Field(ge=16)] | None = None


class Restart(Strict):
    """Back-off between failed starts, in seconds."""

    backoff: Duration = 0.5
    backoff_max: Duration = 60.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 0 < self.backoff <= self.backoff_max:
            raise expected("0 < backoff <= backoff_max", "Make backoff_max at least as long as backoff.")
        return self


Kind = Literal["adapter", "handler", "router", "sandbox", "tool", "model", "conversation", "service"]


class Manifest(Strict):
    """One plugin's manifest. `path` and `digest` are set by `load_manifest`."""

    manifest: Literal[1]
    name: PluginId
    version: Version
    contract: Literal[1]
    kind: Kind
    title: Text
    description: Text
    run: Run
    provides: Provides = Provides()
    observes: list[EventPattern] = []
    config: JsonSchema = {"type": "object", "properties": {}}
    bot_config: JsonSchema = {"type": "object", "properties": {}}
    rule_config: JsonSchema = {"type": "object", "properties": {}}
    grants: list[Grant] = []
    limits: Limits = Limits()
    restart: Restart = Restart()

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
