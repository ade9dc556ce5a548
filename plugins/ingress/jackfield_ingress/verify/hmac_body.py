"""HMAC over the body, or over a template around it, in a header. GitHub, LINE, Shopify, Meta, Twitch and many others.

Settings: `header` (required); `encoding` hex (default) or base64; `prefix` before the signature, such as `sha256=`; `signed`, what is
signed, default `{body}`, with `{header:NAME}`, `{url}` and `{method}`; `time_header`, whose time must be near and must stand in `signed`;
`time_unit` s (default) or ms; `window` in seconds, default 300.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Any, ClassVar

from jackfield_ingress.verify.scheme import (
    WINDOW,
    Incoming,
    Refusal,
    Scheme,
    SchemeUnusable,
    Verified,
    check_time,
)

_PART = re.compile(r"\{(body|url|method|header:[a-z0-9-]+)\}")


class HmacSha256(Scheme):
    """HMAC-SHA256."""

    digest: ClassVar[str] = "sha256"
    needs: ClassVar[tuple[str, ...]] = ("key",)
    settings: ClassVar[tuple[str, ...]] = (
        "header",
        "encoding",
        "prefix",
        "signed",
        "time_header",
        "time_unit",
        "window",
    )

    def __init__(self, secrets: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        self._key = secrets["key"].encode()
        self._header = str(settings.get("header", "")).lower()
        self._encoding = str(settings.get("encoding", "hex"))
        self._prefix = str(settings.get("prefix", ""))
        self._parts = _PART.split(str(settings.get("signed", "{body}")))
        self._time = str(settings.get("time_header", "")).lower()
        self._unit = {"s": 1.0, "ms": 0.001}.get(str(settings.get("time_unit", "s")), 0.0)
        self._window = float(settings.get("window", WINDOW))
        if not self._header:
            raise SchemeUnusable("the setting header, which names the header of the signature, is missing")
        if self._encoding not in ("hex", "base64") or not self._unit or self._window <= 0:
            raise SchemeUnusable("encoding is hex or base64, time_unit s or ms, window above 0")
        if "body" not in self._parts[1::2]:
            raise SchemeUnusable("signed must hold {body}, or bodies could be exchanged")
        if self._time and f"header:{self._time}" not in self._parts[1::2]:
            raise SchemeUnusable("the time must be signed: put {header:NAME} of it into signed")

    def verify(self, request: Incoming) -> Verified:
        """See Scheme."""
        text = request.header(self._header)
        if not text.startswith(self._prefix):
            raise Refusal(f"the signature in {self._header} has another form")
        given = self._decoded(text.removeprefix(self._prefix))
        if self._time:
            check_time(request.header(self._time), request.now, self._window, self._unit)
        wanted = hmac.new(self._key, self._signed(request), self.digest).digest()
        if not hmac.compare_digest(given, wanted):
            raise Refusal("the signature is wrong: another secret, or the body was changed on its way")
        return Verified(once=wanted.hex() if self._time else "")

    def _decoded(self, text: str) -> bytes:
        try:
            if self._encoding == "hex":
                return bytes.fromhex(text) if len(text) == 2 * hashlib.new(self.digest).digest_size else b""
            return base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            return b""

    def _signed(self, request: Incoming) -> bytes:
        signed = []
        for index, part in enumerate(self._parts):
            if index % 2 == 0:
                signed.append(part.encode())
            elif part == "body":
                signed.append(request.body)
            elif part == "url":
                signed.append(request.url.encode())
            elif part == "method":
                signed.append(request.method.encode())
            else:
                signed.append(request.header(part.removeprefix("header:")).encode())
        return b"".join(signed)


class HmacSha1(HmacSha256):
    """HMAC-SHA1, for platforms that have nothing better."""

    digest: ClassVar[str] = "sha1"
