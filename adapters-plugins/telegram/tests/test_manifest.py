"""What the manifest says is what the code does."""

from pathlib import Path

import jackfield_telegram
import yaml
from jackfield_sdk.adapter import Adapter
from jackfield_telegram.actions import ACTIONS
from jackfield_telegram.adapter import Telegram
from jackfield_telegram.convert.incoming import SERVICE
from jackfield_telegram.convert.updates import KINDS

from tests.platforms.telegram.specification import description

MANIFEST = yaml.safe_load((Path(jackfield_telegram.__file__).parent / "jackfield-plugin.yaml").read_text())
PROVIDES = MANIFEST["provides"]


def test_every_declared_method_exists_and_every_method_is_declared() -> None:
    derived = {"reply_message", "stream_reply", "get_capabilities"}
    life = {"setup", "teardown", "open_bot", "close_bot", "handle_request"}
    public = {name for name in vars(Adapter) if not name.startswith("_") and callable(getattr(Adapter, name))}
    written = {name for name in public if getattr(Telegram, name) is not getattr(Adapter, name)}
    assert set(PROVIDES["apis"]) == (written - life) | derived
    # Whatever is not written says why.
    assert set(Telegram.unsupported) == public - written - derived - life


def test_the_declared_actions_are_the_ones_that_run() -> None:
    assert {a["name"]: a["danger"] == "safe" for a in PROVIDES["actions"]} == {
        name: action.safe for name, action in ACTIONS.items()
    }
    for action in PROVIDES["actions"]:
        assert set(action["params"]["properties"]) - {"chat_id"} == set(ACTIONS[action["name"]].params)
        known = description()["methods"][ACTIONS[action["name"]].method]["params"]
        assert set(ACTIONS[action["name"]].params) <= set(known)


def test_every_kind_of_update_is_asked_for_and_declared() -> None:
    kinds = set(description()["types"]["Update"]["fields"]) - {"update_id"}
    assert set(KINDS) == kinds
    common = {
        "message", "edited_message", "channel_post", "edited_channel_post", "message_reaction", "my_chat_member", "chat_member",
    }  # fmt: skip
    assert kinds - common <= set(PROVIDES["platform_events"])


def test_every_service_message_is_known() -> None:
    fields = set(description()["types"]["Message"]["fields"])
    assert fields >= SERVICE
    common = {"new_chat_members", "left_chat_member", "new_chat_title", "new_chat_photo", "delete_chat_photo"}
    assert SERVICE - common <= set(PROVIDES["platform_events"])


def test_the_token_is_secret_and_leased() -> None:
    token = MANIFEST["bot_config"]["properties"]["token"]
    assert token["secret"] is True
    assert token["unique"] is True
    assert "default_bots" not in PROVIDES
