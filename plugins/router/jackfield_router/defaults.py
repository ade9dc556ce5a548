"""The rules of every bot, from the plugin's configuration."""

from __future__ import annotations

from typing import Any

from google.protobuf.json_format import ParseDict, ParseError
from jackfield.v1 import router_pb2
from jackfield_sdk import InvalidArgument

KEY = "default_rules"


def default_rules(config: dict[str, Any]) -> list[router_pb2.Rule]:
    """The configured rules in their order. Raises InvalidArgument that names the place of a wrong one."""
    return [_rule(number, value) for number, value in enumerate(config.get(KEY) or ())]


def _rule(number: int, value: dict[str, Any]) -> router_pb2.Rule:
    rule = router_pb2.Rule()
    try:
        ParseDict(value, rule)
    except ParseError as error:
        raise InvalidArgument(
            f"{KEY}[{number}] is no rule: {error}",
            remedy="Write it in the JSON form of jackfield.v1.Rule, such as "
            "{id: echo, event: message.received, handler: echo}.",
            metadata={"field": f"{KEY}[{number}]"},
        ) from error
    return rule
