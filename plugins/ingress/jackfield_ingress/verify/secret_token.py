"""A secret that stands in a header as it is. Telegram, GitLab, Mattermost, and callers that you write yourself.

It proves the sender and nothing about the body, so it is for platforms that offer no signature, behind TLS. Settings: `header`, default
`authorization`; `prefix`, default `Bearer ` for that header and nothing for others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_ingress.verify.scheme import Incoming, Refusal, Scheme, Verified, same


class SecretToken(Scheme):
    """A static secret."""

    needs = ("token",)
    settings = ("header", "prefix")

    def __init__(self, secrets: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        self._header = str(settings.get("header", "authorization")).lower()
        prefix = "Bearer " if self._header == "authorization" else ""
        self._wanted = str(settings.get("prefix", prefix)) + secrets["token"]

    def verify(self, request: Incoming) -> Verified:
        """See Scheme."""
        if not same(request.header(self._header), self._wanted):
            raise Refusal(f"the secret in {self._header} is wrong")
        return Verified()
