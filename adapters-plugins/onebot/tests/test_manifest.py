"""What the manifest says is what the code does."""

from pathlib import Path

import jackfield_onebot
import yaml
from jackfield_onebot.adapter import OneBot, build
from jackfield_onebot.moderation import ACTIONS
from jackfield_sdk.adapter import Adapter
from jackfield_sdk.testing import FakeKernel

PROVIDES = yaml.safe_load((Path(jackfield_onebot.__file__).parent / "jackfield-plugin.yaml").read_text())[
    "provides"
]


def test_every_declared_method_exists_and_every_method_is_declared() -> None:
    derived = {"reply_message", "stream_reply", "get_capabilities"}
    life = {"setup", "teardown", "open_bot", "close_bot", "handle_request"}
    public = {name for name in vars(Adapter) if not name.startswith("_") and callable(getattr(Adapter, name))}
    written = {name for name in public if getattr(OneBot, name) is not getattr(Adapter, name)}
    assert set(PROVIDES["apis"]) == (written - life) | derived


def test_the_declared_actions_are_the_ones_that_run() -> None:
    assert {action["name"]: action["danger"] == "safe" for action in PROVIDES["actions"]} == dict(ACTIONS)


async def test_the_bot_states_the_same() -> None:
    async with FakeKernel() as kernel, kernel.running(build(), config={"port": 0}):
        await kernel.open_bot("one")
        capabilities = await kernel.call("one", "GetCapabilities")
        assert set(capabilities.actions) == set(ACTIONS)
        assert set(capabilities.apis) >= set(PROVIDES["apis"]) - {"get_capabilities"}
        assert capabilities.send_segments == tuple(PROVIDES["segments"]["send"])
