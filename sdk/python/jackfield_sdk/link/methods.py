"""Methods that this plugin serves, found from the generated code of a servicer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Method:
    """One served method. `behaviour(request or async iterator of them, context)`, as in a grpc.aio
    servicer."""

    path: str
    request_streaming: bool
    response_streaming: bool
    deserialize: Callable[[bytes], Any]
    serialize: Callable[[Any], bytes]
    behaviour: Callable[[Any, Any], Any]


class _Collector:
    """Takes the place of a server in the generated `add_XServicer_to_server`."""

    def __init__(self) -> None:
        self.handlers: dict[str, Mapping[str, Any]] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Repeats what `add_registered_method_handlers` says by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """Called once per service by the generated code."""
        self.handlers[service] = handlers


def methods_of(servicer: object) -> list[Method]:
    """Every method of every generated servicer class among the bases. Raises TypeError when there is none."""
    collector = _Collector()
    for base in type(servicer).__mro__:
        module = sys.modules.get(base.__module__)
        register = getattr(module, f"add_{base.__name__}_to_server", None)
        if register is not None:
            register(servicer, collector)
    if not collector.handlers:
        raise TypeError(f"{type(servicer).__name__} derives from no generated servicer class")
    return [
        Method(
            path=f"/{service}/{name}",
            request_streaming=handler.request_streaming,
            response_streaming=handler.response_streaming,
            deserialize=handler.request_deserializer,
            serialize=handler.response_serializer,
            behaviour=(
                handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
            ),
        )
        for service, handlers in collector.handlers.items()
        for name, handler in handlers.items()
    ]
