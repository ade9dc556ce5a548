"""What only Discord has, as named actions with a schema in the manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jackfield_sdk import Call, ChatType, InvalidArgument, NotSupported

from jackfield_discord.account import Acting, snowflake


@dataclass(frozen=True, slots=True)
class Action:
    """A request: `{name}` in its path is an id among the parameters, everything else its body."""

    method: str
    path: str
    answers: str = ""


ACTIONS: Mapping[str, Action] = {
    "get_channel": Action("GET", "channels/{channel_id}"),
    "get_guild": Action("GET", "guilds/{guild_id}"),
    "get_guild_channels": Action("GET", "guilds/{guild_id}/channels", "channels"),
    "get_guild_roles": Action("GET", "guilds/{guild_id}/roles", "roles"),
    "create_channel": Action("POST", "guilds/{guild_id}/channels"),
    "delete_channel": Action("DELETE", "channels/{channel_id}"),
    "create_invite": Action("POST", "channels/{channel_id}/invites"),
    "add_role": Action("PUT", "guilds/{guild_id}/members/{user_id}/roles/{role_id}"),
    "remove_role": Action("DELETE", "guilds/{guild_id}/members/{user_id}/roles/{role_id}"),
    "set_nickname": Action("PATCH", "guilds/{guild_id}/members/{user_id}"),
    "ban_member": Action("PUT", "guilds/{guild_id}/bans/{user_id}"),
    "unban_member": Action("DELETE", "guilds/{guild_id}/bans/{user_id}"),
}


class Actions(Acting):
    """The method that runs actions."""

    async def call_platform_api(self, call: Call, action: str, params: dict[str, Any]) -> dict[str, Any]:
        """Runs an action; the server and the channel of the call stand in where none is given."""
        known = ACTIONS.get(action)
        if known is None:
            raise NotSupported(f"there is no action {action[:60]!a}", metadata={"action": action[:60]})
        body = dict(params)
        path: list[str] = []
        for part in known.path.split("/"):
            if not part.startswith("{"):
                path.append(part)
                continue
            name = part.strip("{}")
            given = body.pop(name, "") or await self._implied(call, name)
            path.append(snowflake(str(given)))
        body.pop("guild_id", None)
        reason = str(body.pop("reason", ""))
        options: dict[str, Any] = {"body": body} if known.method in ("POST", "PATCH", "PUT") else {}
        answer = await self.request(call, known.method, *path, reason=reason, **options)
        if known.answers:
            return {known.answers: answer}
        return answer if isinstance(answer, dict) else {}

    async def _implied(self, call: Call, name: str) -> str:
        if name == "guild_id" and call.has_chat:
            return await self.guild_of(call)
        if name == "channel_id" and call.has_chat and call.chat.type is ChatType.CHANNEL:
            return call.chat.thread_id or call.chat.id
        raise InvalidArgument(f"{name} is missing", metadata={"field": f"params.{name}"})
