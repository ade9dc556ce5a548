"""A bot in a target leads to its adapter, or says what a call to another plugin is about."""

from __future__ import annotations

from pathlib import Path

from jackfield.v1 import conversation_pb2

from tests.rig.kernel import handler_manifest, manifest, running

OPEN = "/jackfield.v1.Conversation/OpenConversation"


async def test_a_memory_hears_bot_and_chat_from_the_kernel(tmp_path: Path) -> None:
    service = "jackfield.v1.Conversation"
    async with running(tmp_path) as rig:
        adapter = await rig.adapter()
        memory = await rig.plugin(manifest("memory", "conversation", provides={"services": [service]}))
        opened = conversation_pb2.OpenConversationResponse(created=True).SerializeToString()
        memory.answers["OpenConversation"] = opened
        asker = await rig.plugin(handler_manifest(grants=(f"call:{service}",)))
        stranger = await rig.plugin(handler_manifest("stranger", grants=()))
        for named in ("memory", ""):
            end = await asker.call(OPEN, bot="b", plugin=named)
            assert end.body == opened
        assert [call.target.bot for call in memory.served] == ["b", "b"]
        assert all(call.method != OPEN for call in adapter.served)
        assert (await asker.call(OPEN, bot="nobody")).error.reason == "UNKNOWN_BOT"
        refused = await stranger.call(OPEN, bot="b")
        assert (refused.error.reason, refused.error.metadata["grant"]) == (
            "GRANT_MISSING",
            f"call:{OPEN[1:]}",
        )
