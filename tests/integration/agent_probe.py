"""A plugin that is model and tool at once, writes down every run, and waits at a gate: `python agent_probe.py`.

Its folder holds `runs` (one line a run) and the gates: a run waits while `<moment>.closed` exists.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from jackfield.v1 import model_pb2, model_pb2_grpc, tool_pb2, tool_pb2_grpc
from jackfield_sdk import Plugin

FOLDER = Path(__file__).parent


def note(line: str) -> None:
    """One line, whole, whoever writes beside us."""
    handle = os.open(FOLDER / "runs", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{line}\n".encode())
    os.close(handle)


async def passed(moment: str) -> None:
    """Wait at the gate."""
    while (FOLDER / f"{moment}.closed").exists():
        await asyncio.sleep(0.02)


class Model(model_pb2_grpc.ModelServicer):
    """Calls the tool for a user's words, then tells what came of it."""

    async def ListModels(
        self, request: model_pb2.ListModelsRequest, context: Any
    ) -> model_pb2.ListModelsResponse:
        return model_pb2.ListModelsResponse(models=[model_pb2.ModelDescription(id="probe", tools=True)])

    async def Chat(
        self, request: model_pb2.ChatRequest, context: Any
    ) -> AsyncIterator[model_pb2.ChatResponse]:
        last = request.messages[-1]
        turn = model_pb2.ModelMessage(role=model_pb2.MODEL_ROLE_ASSISTANT)
        if last.role == model_pb2.MODEL_ROLE_TOOL:
            note("model answers")
            text = f"Result: {last.content.segments[0].text.text}"
            for number, word in enumerate(text.split()):
                yield model_pb2.ChatResponse(text=f"{word} ")
                if number == 0:
                    await passed("model")
            turn.content.segments.add().text.text = text
        else:
            note("model calls")
            turn.tool_calls.add(id="call-1", name="work", arguments_json="{}")
        yield model_pb2.ChatResponse(finish=model_pb2.ChatFinish(message=turn, model="probe"))


class Tools(tool_pb2_grpc.ToolsServicer):
    """One tool, which changes something."""

    async def ListTools(self, request: tool_pb2.ListToolsRequest, context: Any) -> tool_pb2.ListToolsResponse:
        tool = tool_pb2.Tool(name="work", description="Works.", danger=tool_pb2.TOOL_DANGER_MUTATING)
        return tool_pb2.ListToolsResponse(tools=[tool])

    async def CallTool(
        self, request: tool_pb2.CallToolRequest, context: Any
    ) -> AsyncIterator[tool_pb2.CallToolResponse]:
        note("tool runs")
        for _ in range(50):
            # More than fits into the window of a caller that does not read.
            yield tool_pb2.CallToolResponse(progress=tool_pb2.ToolProgress(text="working"))
        await passed("tool")
        result = tool_pb2.ToolResult()
        result.content.segments.add().text.text = "worked"
        yield tool_pb2.CallToolResponse(result=result)


if __name__ == "__main__":
    plugin = Plugin("probe", version="0.1.0")
    plugin.service(Model())
    plugin.service(Tools())
    plugin.run()
