"""Who and what there is."""

from __future__ import annotations

from jackfield_sdk import Call, ChatDetails, ChatType, Group, InvalidArgument, Member, NotFound, Page, User

from jackfield_telegram.calls import Acting, chat_id, group_id, whole
from jackfield_telegram.convert.people import Me, group_of, inside, member_of, user_of
from jackfield_telegram.convert.values import integer_of, table, tables, text_of


class Lookups(Acting):
    """The methods that only ask."""

    async def get_chat_info(self, call: Call) -> ChatDetails:
        """The group, or the user at the other side."""
        native = table(await self.act(call, "getChat", chat_id=chat_id(call)))
        if call.chat.type is ChatType.PRIVATE:
            return ChatDetails(call.chat, user=user_of(native))
        return ChatDetails(call.chat, group=group_of(native))

    async def get_group_info(self, call: Call) -> Group:
        """With the number of members."""
        group = group_id(call)
        native = table(await self.act(call, "getChat", chat_id=group))
        count = integer_of(await self.act(call, "getChatMemberCount", chat_id=group))
        return group_of({**native, "member_count": count})

    async def get_group_member_list(self, call: Call, page_size: int, page_token: str) -> Page[Member]:
        """Administrators only: the platform tells bots no others."""
        if page_token:
            raise InvalidArgument("there is one page only", metadata={"field": "page_token"})
        native = tables(await self.act(call, "getChatAdministrators", chat_id=group_id(call)))
        return Page(tuple(member_of(one, call.chat.id) for one in native), partial=True)

    async def get_group_member_info(self, call: Call, user_id: str) -> Member:
        """Anyone, where the bot is an administrator."""
        native = await self._member(call, user_id)
        if not inside(native):
            raise NotFound("this user is no member of the group", metadata={"user_id": user_id})
        return member_of(native, call.chat.id)

    async def get_user_info(self, call: Call, user_id: str) -> User:
        """Users who have written to the bot."""
        user = user_of(await self.act(call, "getChat", chat_id=whole(user_id, "user_id")))
        if user is None:
            raise NotFound("Telegram tells nothing about this user", metadata={"user_id": user_id})
        return user

    async def is_muted(self, call: Call) -> bool:
        """By the bot's own membership."""
        me: Me = self.account_of(call).me
        native = await self._member(call, me.id)
        return text_of(native.get("status")) == "restricted" and native.get("can_send_messages") is False

    async def _member(self, call: Call, user_id: str) -> dict[str, object]:
        user = whole(user_id, "user_id")
        return dict(table(await self.act(call, "getChatMember", chat_id=group_id(call), user_id=user)))
