"""Guard rules: in front of everything, for bots that the operator added."""

from __future__ import annotations

from typing import Any

import pytest
from jackfield_router.defaults import default_rules
from jackfield_sdk import InvalidArgument

from .conftest import ADAPTER, DEFAULTS, GUARDS, HANDLER, House

CONFIG: dict[str, Any] = {"default_rules": DEFAULTS, "guard_rules": GUARDS}
GUARD_IDS = ["access-denied", "access", "access-groups", "access-mention", "commands-admin"]


def guarded(house: House) -> House:
    """With access installed, `web` brought along by its adapter and `mine` added."""
    house.uninstall("blue")
    house.plugin("blue", {"provides": {**ADAPTER["provides"], "default_bots": [{"name": "web"}]}})
    house.plugin("access", HANDLER)
    house.bots("web", "mine")
    return house


async def test_a_bot_that_was_added_is_guarded_and_one_that_came_along_is_not(stopped: House) -> None:
    async with guarded(stopped).run(CONFIG):
        assert stopped.ids("web") == ["commands", "echo"]
        assert stopped.ids("mine") == [*GUARD_IDS, "commands", "echo"]
    denied, stranger, group, *_ = stopped.kernel.state.routes["mine"].rules
    assert list(denied.match.sender_sets) == ["access/mine/denied"]
    assert list(stranger.match.not_sender_sets) == ["access/mine/admitted"]
    assert list(stranger.match.not_chat_sets) == []
    assert list(group.match.not_chat_sets) == ["access/mine/rooms"]
    assert stranger.match.from_bots
    assert (stranger.event, stranger.priority) == ("*", 2**31 - 1)


async def test_without_access_nothing_changes(stopped: House) -> None:
    guarded(stopped).uninstall("access")
    async with stopped.run(CONFIG):
        assert stopped.ids("mine") == stopped.ids("web") == ["commands", "echo"]


async def test_an_adapter_opens_no_bot_of_another(stopped: House) -> None:
    guarded(stopped).plugin("red", {"provides": {**ADAPTER["provides"], "default_bots": [{"name": "mine"}]}})
    async with stopped.run(CONFIG):
        assert stopped.ids("mine")[:5] == GUARD_IDS


async def test_default_rules_of_ones_own_keep_the_guards(stopped: House) -> None:
    own = [{"id": "mine", "event": "*", "handler": "echo"}]
    async with guarded(stopped).run({"default_rules": own, "guard_rules": GUARDS}):
        assert stopped.ids("mine") == [*GUARD_IDS, "mine"]


@pytest.mark.parametrize(
    ("rule", "why"),
    [({"id": "x", "needs": 1}, "no id of a plugin"), ({"id": "x", "match": {"unheard": 1}}, "unheard")],
)
def test_a_wrong_guard_is_named(rule: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidArgument, match=why) as refused:
        default_rules({"guard_rules": [rule]})
    assert refused.value.metadata["field"] == "guard_rules[0]"
