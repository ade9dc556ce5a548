"""Where a process may be told to die. The product knows nothing of this: a victim's functions are wrapped before it runs."""

from __future__ import annotations

import functools
import inspect
import os
import random
import signal
from collections.abc import Callable
from importlib import import_module
from typing import Any

STEPS = (
    "before accept",
    "accepted",
    "leased",
    "call sent",
    "result received",
    "before ack",
    "during drain",
    "during restart",
)

# victim → step → function, with `!` where it dies after the function instead of before it.
POINTS: dict[str, dict[str, str]] = {
    "kernel": {
        "before accept": "jackfield_kernel.session.intake:Intake.publish",
        "accepted": "jackfield_kernel.bus.bus:Bus._published",
        "leased": "jackfield_kernel.bus.turns:Turns._lease!",
        "call sent": "jackfield_kernel.broker.broker:Broker._forward!",
        "result received": "jackfield_kernel.broker.broker:Broker.ended",
        "before ack": "jackfield_kernel.bus.bus:Bus._done",
        "during restart": "jackfield_kernel.bus.replay:Replay.finish",
    },
    "adapter": {
        "before accept": "jackfield_sdk.link.publishes:Publishes.publish",
        "accepted": "jackfield_sdk.link.publishes:Publishes.ack",
        "call sent": "jackfield_sdk.link.serving:Serving.opened",
        "result received": "jackfield_sdk.link.serving:Serving._end",
        "during drain": "jackfield_sdk.runtime:Runtime._drain",
        "during restart": "jackfield_sdk.link.link:Link._take",
    },
    "handler": {
        "leased": "jackfield_sdk.link.deliveries:Deliveries.deliver",
        "call sent": "jackfield_sdk.link.calls:Calls._open!",
        "result received": "jackfield_sdk.link.calls:Calls.ended",
        "before ack": "jackfield_sdk.link.deliveries:Deliveries._settle",
        "during drain": "jackfield_sdk.runtime:Runtime._drain",
        "during restart": "jackfield_sdk.link.link:Link._take",
    },
    "router": {"during restart": "jackfield_sdk.link.link:Link._take"},
}


def install(victim: str, step: str, every: int, seed: int) -> None:
    """From now on this process dies at a random one of about `every` passes of the point, by SIGKILL."""
    place, after = POINTS[victim][step].removesuffix("!"), POINTS[victim][step].endswith("!")
    module, _, path = place.partition(":")
    owner: Any = import_module(module)
    *classes, name = path.split(".")
    for part in classes:
        owner = getattr(owner, part)
    left = [random.Random(f"{seed}/{os.getpid()}").randint(1, 2 * every)]

    def passed() -> None:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, wrapped(getattr(owner, name), passed, after))


def wrapped(function: Callable[..., Any], passed: Callable[[], None], after: bool) -> Callable[..., Any]:
    """The function with the point before it or after it."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def slow(*arguments: Any, **named: Any) -> Any:
            if not after:
                passed()
            result = await function(*arguments, **named)
            if after:
                passed()
            return result

        return slow

    @functools.wraps(function)
    def quick(*arguments: Any, **named: Any) -> Any:
        if not after:
            passed()
        result = function(*arguments, **named)
        if after:
            passed()
        return result

    return quick
