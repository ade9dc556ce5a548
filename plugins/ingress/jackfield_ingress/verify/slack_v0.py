"""Slack's signing secret, version v0: HMAC-SHA256 over `v0:<time>:<body>`, at most five minutes old. No settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_ingress.verify.hmac_body import HmacSha256

_SETTINGS = {
    "header": "x-slack-signature",
    "prefix": "v0=",
    "signed": "v0:{header:x-slack-request-timestamp}:{body}",
    "time_header": "x-slack-request-timestamp",
}


class SlackV0(HmacSha256):
    """HMAC-SHA256 with the parts that Slack fixed."""

    settings = ()

    def __init__(self, secrets: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        super().__init__(secrets, _SETTINGS)
