"""What `jackfield new` writes for agents: tools and models. NAME and PACKAGE are filled in."""

from __future__ import annotations

from jackfield_sdk.commands.templates import HANDLER_MAIN, folder

_DEPENDENCY = "jackfield-sdk>=0.1,<0.2"

_README = """\
# NAME

DESCRIPTION

    python -m venv .venv && .venv/bin/pip install -e '.[test]'
    .venv/bin/pytest

The kernel finds the plugin by its entry point once it is installed beside it; the agent offers it with the next message.
"""

_MANIFEST = """\
manifest: 1
name: NAME
version: 0.1.0
contract: 1
kind: KIND
title: NAME
description: DESCRIPTION
run: {python: PACKAGE}
provides:
  services: [jackfield.v1.SERVICE]
grants: []
"""

TOOL = '''\
"""A tool that agents may call: rolls dice."""

import random
from collections.abc import AsyncIterator
from typing import Any

from jackfield.v1 import tool_pb2, tool_pb2_grpc
from jackfield_sdk import InvalidArgument, NotFound, Plugin, wellknown

SCHEMA = {
    "type": "object",
    "properties": {"sides": {"type": "integer", "minimum": 2, "maximum": 1000}},
    "required": ["sides"],
}


class Dice(tool_pb2_grpc.ToolsServicer):
    """What is on offer, and running it. A tool that changes something says so by its danger, so that a person is asked."""

    async def ListTools(self, request: tool_pb2.ListToolsRequest, context: Any) -> tool_pb2.ListToolsResponse:
        tool = tool_pb2.Tool(
            name="roll_dice",
            description="Rolls one die and tells the number.",
            input_schema=wellknown.struct_to_proto(SCHEMA),
            danger=tool_pb2.TOOL_DANGER_SAFE,
        )
        return tool_pb2.ListToolsResponse(tools=[tool])

    async def CallTool(
        self, request: tool_pb2.CallToolRequest, context: Any
    ) -> AsyncIterator[tool_pb2.CallToolResponse]:
        if request.name != "roll_dice":
            raise NotFound(f"there is no tool {request.name!r}")
        sides = wellknown.struct_to_plain(request.arguments).get("sides")
        if not isinstance(sides, int) or not 2 <= sides <= 1000:
            raise InvalidArgument("sides: expected a number from 2 to 1000")
        result = tool_pb2.ToolResult()
        result.content.segments.add().text.text = f"It shows {random.randint(1, sides)}."
        yield tool_pb2.CallToolResponse(result=result)


plugin = Plugin()
plugin.service(Dice())
'''

TOOL_TEST = '''\
"""The tool rolls what it was asked for."""

from jackfield.v1 import tool_pb2
from jackfield_sdk import wellknown
from jackfield_sdk.testing import FakeKernel

from PACKAGE import plugin

CALL = "/jackfield.v1.Tools/CallTool"


async def test_roll() -> None:
    async with FakeKernel() as kernel, kernel.running(plugin):
        arguments = wellknown.struct_to_proto({"sides": 6})
        request = tool_pb2.CallToolRequest(name="roll_dice", arguments=arguments)
        call = kernel.open_call(CALL, request, server_streaming=True)
        response = tool_pb2.CallToolResponse.FromString(await call.read() or b"")
        assert response.result.content.segments[0].text.text.startswith("It shows ")
'''

MODEL = '''\
"""A model that agents may ask: says everything backwards."""

from collections.abc import AsyncIterator
from typing import Any

from jackfield.v1 import model_pb2, model_pb2_grpc
from jackfield_sdk import NotFound, Plugin

MODEL = "backwards"


class Backwards(model_pb2_grpc.ModelServicer):
    """Which models there are, and asking one. Raise RateLimited, Unavailable and the like for a provider's refusals."""

    async def ListModels(
        self, request: model_pb2.ListModelsRequest, context: Any
    ) -> model_pb2.ListModelsResponse:
        return model_pb2.ListModelsResponse(models=[model_pb2.ModelDescription(id=MODEL, context_tokens=8000)])

    async def Chat(
        self, request: model_pb2.ChatRequest, context: Any
    ) -> AsyncIterator[model_pb2.ChatResponse]:
        if request.model not in ("", MODEL):
            raise NotFound(f"there is no model {request.model!r}")
        said = "".join(segment.text.text for segment in request.messages[-1].content.segments)
        answer = said[::-1]
        for word in answer.split(" "):
            yield model_pb2.ChatResponse(text=f"{word} ")
        turn = model_pb2.ModelMessage(role=model_pb2.MODEL_ROLE_ASSISTANT)
        turn.content.segments.add().text.text = answer
        # Exactly one finish comes last and holds the whole turn: it is what the kernel records.
        yield model_pb2.ChatResponse(
            finish=model_pb2.ChatFinish(reason=model_pb2.FINISH_REASON_STOP, message=turn, model=MODEL)
        )


plugin = Plugin()
plugin.service(Backwards())
'''

MODEL_TEST = '''\
"""The model answers with a whole turn at the end."""

from jackfield.v1 import model_pb2
from jackfield_sdk.testing import FakeKernel

from PACKAGE import plugin


async def test_answer() -> None:
    request = model_pb2.ChatRequest()
    request.messages.add(role=model_pb2.MODEL_ROLE_USER).content.segments.add().text.text = "abc"
    async with FakeKernel() as kernel, kernel.running(plugin):
        call = kernel.open_call("/jackfield.v1.Model/Chat", request, server_streaming=True)
        body = b""
        while (read := await call.read()) is not None:
            body = read
        finish = model_pb2.ChatResponse.FromString(body).finish
        assert finish.message.content.segments[0].text.text == "cba"
'''


def _filled(text: str, kind: str, service: str, description: str) -> str:
    filled = {"KIND": kind, "SERVICE": service, "DESCRIPTION": description}
    for name, value in filled.items():
        text = text.replace(name, value)
    return text


def _service(code: str, test: str, *words: str) -> dict[str, str]:
    manifest, readme = _filled(_MANIFEST, *words), _filled(_README, *words)
    return folder(code, HANDLER_MAIN, test, _DEPENDENCY, manifest, readme)


AGENT_TEMPLATES = {
    "tool": _service(TOOL, TOOL_TEST, "tool", "Tools", "Rolls dice for agents."),
    "model": _service(MODEL, MODEL_TEST, "model", "Model", "Says everything backwards."),
}
