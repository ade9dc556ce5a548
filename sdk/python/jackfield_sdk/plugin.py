"""The object that an author builds a plugin with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from jackfield_sdk import patterns
from jackfield_sdk.adapter import Adapter
from jackfield_sdk.adapter_host import AdapterHost
from jackfield_sdk.command import CommandHandler, invoke_method
from jackfield_sdk.context import Context
from jackfield_sdk.event import Event
from jackfield_sdk.link.methods import Method, methods_of
from jackfield_sdk.plugin_context import PluginContext
from jackfield_sdk.runtime import Runtime
from jackfield_sdk.serve import serve

Handler = Callable[[Context, Event], Awaitable[None]]
Observer = Callable[[PluginContext, Event], Awaitable[None]]
Hook = Callable[[PluginContext], Awaitable[None]]
MethodSource = Callable[[Runtime], list[Method]]


class Plugin:
    """Collects what a plugin does; `run` serves it.

    A plugin object holds registrations only, so a test may run it as often as it likes. `version` is stated
    to the kernel; `concurrency` bounds the deliveries that run at once (0: the kernel's default of 64).
    """

    def __init__(self, name: str | None = None, *, version: str = "", concurrency: int = 0) -> None:
        self.name = name
        self.version = version
        self.concurrency = concurrency
        self.setup_hooks: list[Hook] = []
        self.teardown_hooks: list[Hook] = []
        self._handlers: dict[str, Handler] = {}
        self._observers: list[tuple[str, Observer]] = []
        self._commands: dict[str, CommandHandler] = {}
        self._services: list[MethodSource] = []
        self._chosen: dict[str, Handler | None] = {}

    def on(self, pattern: str = "*") -> Callable[[Handler], Handler]:
        """Handles the events of a pattern. Of several that match, the most specific one alone gets the
        event."""
        patterns.check(pattern)

        def register(handler: Handler) -> Handler:
            if pattern in self._handlers:
                raise ValueError(f"there is a handler for {pattern} already")
            self._handlers[pattern] = handler
            self._chosen.clear()
            return handler

        return register

    def observe(self, pattern: str = "*") -> Callable[[Observer], Observer]:
        """Sees the events of a pattern without answering for them; the manifest's `observes` names them
        too."""
        patterns.check(pattern)

        def register(observer: Observer) -> Observer:
            self._observers.append((pattern, observer))
            return observer

        return register

    def command(self, name: str) -> Callable[[CommandHandler], CommandHandler]:
        """Answers a command of chat users, declared in the manifest under `commands`."""

        def register(handler: CommandHandler) -> CommandHandler:
            if name in self._commands:
                raise ValueError(f"there is a command {name} already")
            self._commands[name] = handler
            return handler

        return register

    def service(self, servicer: Any) -> Any:
        """Serves every method of a generated asyncio servicer to other plugins. Raises TypeError for
        anything else."""
        methods = methods_of(servicer)
        self._services.append(lambda runtime: methods)
        return servicer

    def adapter(self, adapter: Adapter) -> Adapter:
        """Serves an adapter."""

        def serve_adapter(runtime: Runtime) -> list[Method]:
            host = AdapterHost(adapter, runtime)
            runtime.add_host(host)
            return host.methods()

        self._services.append(serve_adapter)
        return adapter

    def setup(self, hook: Hook) -> Hook:
        """Runs once, after the first contact with the kernel and before any event. A failure ends the
        process."""
        self.setup_hooks.append(hook)
        return hook

    def teardown(self, hook: Hook) -> Hook:
        """Runs once, after the last event."""
        self.teardown_hooks.append(hook)
        return hook

    def run(self) -> None:
        """Serves the plugin until the kernel ends it. The main of `python -m <package>`."""
        serve(self)

    # What the runtime asks.

    def handler_for(self, event_type: str) -> Handler | None:
        """The most specific handler, remembered per type."""
        if event_type in self._chosen:
            return self._chosen[event_type]
        fitting = [pattern for pattern in self._handlers if patterns.matches(pattern, event_type)]
        best = max(fitting, key=patterns.specificity, default=None)
        handler = self._handlers[best] if best is not None else None
        if len(self._chosen) < 1024:
            self._chosen[event_type] = handler
        return handler

    def observers_for(self, event_type: str) -> list[Observer]:
        """All observers of a type, in order of registration."""
        return [observer for pattern, observer in self._observers if patterns.matches(pattern, event_type)]

    def methods(self, runtime: Runtime) -> dict[str, Method]:
        """Everything that is served in one run, by full method name."""
        methods = [method for source in self._services for method in source(runtime)]
        if self._commands:
            methods.append(invoke_method(self._commands, lambda: runtime.link))
        return {method.path: method for method in methods}
