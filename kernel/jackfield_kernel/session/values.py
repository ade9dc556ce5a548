"""Configuration as it crosses the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.struct_pb2 import Struct


def plain_struct(values: Mapping[str, Any]) -> Struct:
    """Values of a configuration as a protobuf object; what JSON does not know (a date of YAML) becomes its text."""
    return ParseDict(json.loads(json.dumps(dict(values), default=str)), Struct())
