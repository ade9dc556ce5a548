"""Jobs as tools. An agent sees and makes jobs of the chat that it works for, and no others."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from jackfield.v1 import tool_pb2, tool_pb2_grpc
from jackfield_sdk import InvalidArgument, JackfieldError, NotFound, jackfield_context, wellknown

from jackfield_scheduler.desk import Wish
from jackfield_scheduler.job import LONGEST_TEXT
from jackfield_scheduler.scene import Scene
from jackfield_scheduler.texts import line_of, shown

_TEXT = {"type": "string", "minLength": 1}
NAMES = ("cancel_job", "list_jobs", "schedule_job")


class JobTools(tool_pb2_grpc.ToolsServicer):
    """Serves `jackfield.v1.Tools`."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    async def ListTools(self, request: tool_pb2.ListToolsRequest, context: Any) -> tool_pb2.ListToolsResponse:
        """The three tools."""
        return tool_pb2.ListToolsResponse(tools=_offered())

    async def CallTool(
        self, request: tool_pb2.CallToolRequest, context: Any
    ) -> AsyncIterator[tool_pb2.CallToolResponse]:
        """Runs one."""
        caller = jackfield_context(context)
        if not caller.bot or caller.chat is None:
            raise InvalidArgument("jobs belong to a chat, and the call names none")
        arguments = wellknown.struct_to_plain(request.arguments)
        result = tool_pb2.ToolResult()
        try:
            text = await self._run(
                request.name, arguments, caller.bot, str(caller.chat), caller.idempotency_key
            )
        except JackfieldError as error:
            if error.retryable or request.name not in NAMES:
                raise
            text, result.is_error = f"{error.message} {error.remedy}".strip(), True
        result.content.segments.add().text.text = text
        yield tool_pb2.CallToolResponse(result=result)

    async def _run(self, name: str, arguments: dict[str, Any], bot: str, chat: str, key: str) -> str:
        desk = self._scene.desk
        here = {job.id: job for job in await desk.store.all() if (job.bot, job.chat) == (bot, chat)}
        match name:
            case "schedule_job":
                kind = "event" if arguments.get("kind") == "prompt" else "message"
                schedule, text = str(arguments.get("schedule", "")), str(arguments.get("text", ""))
                key = key or f"{schedule}|{text}"
                job = await desk.add(Wish(bot, chat, "", schedule, text, f"tool/{key}", kind))
                return f"Job {job.id} is kept; next run: {shown(job.due, job.zone)}."
            case "list_jobs":
                return "\n".join(map(line_of, here.values())) or "There are no jobs in this chat."
            case "cancel_job":
                wanted = str(arguments.get("id", ""))
                if wanted not in here:
                    raise NotFound(f"there is no job {wanted!r} in this chat")
                await desk.store.remove(wanted)
                return f"Job {wanted} is removed."
        raise NotFound(f"there is no tool {name!r}")


def _offered() -> list[tool_pb2.Tool]:
    return [
        _tool("cancel_job", "Removes a job of this chat.", tool_pb2.TOOL_DANGER_MUTATING, id=_TEXT),
        _tool("list_jobs", "Lists the scheduled jobs of this chat.", tool_pb2.TOOL_DANGER_SAFE),
        _tool(
            "schedule_job",
            "Schedules a message or a prompt for this chat: a reminder, a daily report. schedule: five cron fields, 'every 2h', a "
            "delay such as '30m', or an ISO time. kind message sends the text as it is; kind prompt has the agent work on it then.",
            tool_pb2.TOOL_DANGER_MUTATING,
            schedule=_TEXT,
            text={**_TEXT, "maxLength": LONGEST_TEXT},
            kind={"type": "string", "enum": ["message", "prompt"]},
        ),
    ]


def _tool(
    name: str, description: str, danger: tool_pb2.ToolDanger.ValueType, **arguments: dict[str, Any]
) -> tool_pb2.Tool:
    schema = {
        "type": "object",
        "properties": arguments,
        "required": list(arguments),
        "additionalProperties": False,
    }
    return tool_pb2.Tool(
        name=name, description=description, danger=danger, input_schema=wellknown.struct_to_proto(schema)
    )
