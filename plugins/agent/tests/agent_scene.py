"""A scripted model, scripted tools and a memory, played by the fake kernel."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from jackfield.v1 import conversation_pb2, model_pb2, tool_pb2
from jackfield_agent.agent import Agent, build
from jackfield_sdk import JackfieldError, wellknown
from jackfield_sdk.testing import FakeKernel, RunningPlugin

CONVERSATION = "/jackfield.v1.Conversation/"
ASSISTANT = model_pb2.MODEL_ROLE_ASSISTANT
Answer = list[model_pb2.ChatResponse] | JackfieldError


def says(text: str, *calls: tuple[str, str, str], **finish: Any) -> list[model_pb2.ChatResponse]:
    """A model's turn: text, and tool calls as (id, name, arguments)."""
    turn = model_pb2.ModelMessage(role=ASSISTANT)
    if text:
        turn.content.segments.add().text.text = text
    for call_id, name, arguments in calls:
        turn.tool_calls.add(id=call_id, name=name, arguments_json=arguments)
    usage = model_pb2.ModelUsage(input_tokens=10, output_tokens=5)
    end = model_pb2.ChatFinish(message=turn, usage=usage, model="m", **finish)
    pieces = [model_pb2.ChatResponse(text=word) for word in text.split()]
    return [*pieces, model_pb2.ChatResponse(finish=end)]


def tool(name: str, danger: int = tool_pb2.TOOL_DANGER_SAFE) -> tool_pb2.Tool:
    return tool_pb2.Tool(name=name, description=name, danger=tool_pb2.ToolDanger.ValueType(danger))


@dataclass
class Scene:
    """What the other plugins say, and what they were asked. The last answer of the model repeats."""

    kernel: FakeKernel
    answers: list[Any] = field(default_factory=lambda: [says("Hello!")])
    asked: list[model_pb2.ChatRequest] = field(default_factory=list)
    tools: list[tool_pb2.Tool] = field(default_factory=list)
    ran: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    run_tool: Callable[[tool_pb2.CallToolRequest], Any] = lambda request: tool_result(f"{request.name} ran")
    turns: list[conversation_pb2.ConversationTurn] = field(default_factory=list)
    resets: list[conversation_pb2.ResetConversationRequest] = field(default_factory=list)
    context_tokens: int = 10_000
    clock: float = 1000.0

    def play(self, *, memory: bool = True) -> None:
        """Answer for all of them."""
        kernel = self.kernel
        self._install("brain", "jackfield.v1.Model")
        self._install("toolbox", "jackfield.v1.Tools")
        models = model_pb2.ListModelsResponse()
        models.models.add(id="m", context_tokens=self.context_tokens, tools=True, vision=True)
        kernel.answer("/jackfield.v1.Model/ListModels", model_pb2.ListModelsRequest, lambda _: models)
        kernel.answer("/jackfield.v1.Model/Chat", model_pb2.ChatRequest, self._chat)
        kernel.answer(
            "/jackfield.v1.Tools/ListTools",
            tool_pb2.ListToolsRequest,
            lambda _: tool_pb2.ListToolsResponse(tools=self.tools),
        )
        kernel.answer("/jackfield.v1.Tools/CallTool", tool_pb2.CallToolRequest, self._call)
        if memory:
            self._install("memory", "jackfield.v1.Conversation")
            self._remember()

    def _install(self, name: str, service: str) -> None:
        plugin = self.kernel.state.catalog.plugins.add(name=name, state="ACTIVE")
        plugin.manifest.CopyFrom(wellknown.struct_to_proto({"provides": {"services": [service]}}))

    async def _chat(self, request: model_pb2.ChatRequest) -> list[model_pb2.ChatResponse]:
        self.asked.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if callable(answer):
            answer = await answer()
        if isinstance(answer, JackfieldError):
            raise answer
        found: list[model_pb2.ChatResponse] = answer
        return found

    def _call(self, request: tool_pb2.CallToolRequest) -> Any:
        self.ran.append((request.name, wellknown.struct_to_plain(request.arguments)))
        return self.run_tool(request)

    def _remember(self) -> None:
        pb = conversation_pb2

        def opened(_: Any) -> Any:
            return pb.OpenConversationResponse(
                conversation=pb.ConversationRecord(id="c1", turns=len(self.turns))
            )

        def append(request: Any) -> Any:
            known = {turn.id for turn in self.turns}
            self.turns += [turn for turn in request.turns if turn.id not in known]
            return pb.AppendTurnsResponse(turns=len(self.turns))

        def reset(request: Any) -> Any:
            self.resets.append(request)
            self.turns = list(request.turns)
            return pb.ResetConversationResponse(conversation=pb.ConversationRecord(id="c2"))

        answer = self.kernel.answer
        answer(CONVERSATION + "OpenConversation", pb.OpenConversationRequest, opened)
        answer(
            CONVERSATION + "GetHistory",
            pb.GetHistoryRequest,
            lambda _: pb.GetHistoryResponse(turns=self.turns),
        )
        answer(CONVERSATION + "AppendTurns", pb.AppendTurnsRequest, append)
        answer(CONVERSATION + "ResetConversation", pb.ResetConversationRequest, reset)

    @contextlib.asynccontextmanager
    async def running(self, **config: Any) -> AsyncIterator[RunningPlugin]:
        """The agent under a clock that the test moves."""
        plugin = build(Agent(now=lambda: self.clock))
        async with self.kernel.running(plugin, config=config) as running:
            yield running


def tool_result(text: str, **fields: Any) -> list[tool_pb2.CallToolResponse]:
    result = tool_pb2.ToolResult(**fields)
    result.content.segments.add().text.text = text
    return [tool_pb2.CallToolResponse(result=result)]


def text_of(message: model_pb2.ModelMessage) -> str:
    return "".join(segment.text.text for segment in message.content.segments)
