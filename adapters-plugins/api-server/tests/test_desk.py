"""Who may answer a request that waits."""

from __future__ import annotations

import pytest
from jackfield_api_server.desk import Desk
from jackfield_sdk import WindowClosed


async def test_a_call_that_is_repeated_before_the_client_has_read_waits_with_the_first() -> None:
    desk = Desk()
    waiting = desk.ask("one", "c", "q")
    desk.claim("one", "c", "q", "key").grow("whole", is_final=True)
    again = desk.claim("one", "c", "q", "key")
    again.grow("wh", is_final=False)
    assert (again.text, again.is_final) == ("whole", True)
    with pytest.raises(WindowClosed, match="already"):
        desk.claim("one", "c", "q", "other")
    waiting.settle(taken=True)
    await again.delivered()


async def test_a_request_that_leaves_frees_its_chat_and_refuses_its_writer() -> None:
    desk = Desk()
    waiting = desk.ask("one", "c", "q")
    writing = desk.claim("one", "c", "", "key")
    desk.leave(waiting)
    with pytest.raises(WindowClosed):
        await writing.delivered()
    desk.ask("one", "c", "q2")
    with pytest.raises(WindowClosed, match="waits no more"):
        desk.claim("one", "c", "q", "key")
