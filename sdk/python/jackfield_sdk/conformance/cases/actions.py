"""API-18: every action of the manifest runs and answers JSON; one that it lacks is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from jackfield_sdk.conformance.case import Case, Skip, expect
from jackfield_sdk.conformance.declared import Declared
from jackfield_sdk.conformance.platform import Cannot
from jackfield_sdk.conformance.stage import Stage
from jackfield_sdk.errors import InvalidArgument, JackfieldError, NotFound, NotSupported

TOPIC = "actions"


def cases(declared: Declared) -> Iterator[Case]:
    """One for each action, and one for an action that is not there."""
    for action in declared.actions:
        name = str(action["name"])
        yield Case("API-18", TOPIC, f"the action {name} runs", partial(run, action), name)
    yield Case("API-19", "apis", "an unknown action is refused", unknown, "call_platform_api")


async def run(action: dict[str, Any], stage: Stage) -> None:
    name = str(action["name"])
    try:
        params = stage.platform.action_params(name)
    except Cannot as reason:
        if (action.get("params") or {}).get("required"):
            raise Skip(str(reason)) from None
        params = {}
    chat = stage.platform.group or stage.platform.private
    answer = await stage.call("call_platform_api", chat, action=name, params=params)
    json.dumps(answer)


async def unknown(stage: Stage) -> None:
    try:
        await stage.call(
            "call_platform_api", stage.platform.private, action="no_such_action_at_all", params={}
        )
    except (NotSupported, NotFound, InvalidArgument):
        return
    except JackfieldError as error:
        expect(False, f"an unknown action is answered with {error.reason}, not NOT_SUPPORTED")
    expect(False, "an unknown action was carried out")
