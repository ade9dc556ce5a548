"""A JSON Web Token in the Authorization header.

The secret `key` is the shared secret of HS256/384/512, or a public key in PEM for RS256, PS256, ES256 and EdDSA. Settings: `algorithms`
(required: a list, all of one family); `audience`, `issuer`: must be those; `body_claim`: a claim that holds the hex SHA-256 of the body,
without which a token says nothing about the body; `header`, default `authorization`; `window`: how much clocks may differ, default 60 s.
`exp` is required.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import jwt

from jackfield_ingress.verify.scheme import Incoming, Refusal, Scheme, SchemeUnusable, Verified, same

# With the bytes that RFC 7518 asks of their secret.
_SHARED = {"HS256": 32, "HS384": 48, "HS512": 64}
_PUBLIC = frozenset(
    ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
)
LONGEST = 16_384


class JwtBearer(Scheme):
    """A signed token. Times are checked here, by the clock that comes with the request."""

    needs = ("key",)
    settings = ("algorithms", "audience", "issuer", "body_claim", "header", "window")

    def __init__(self, secrets: Mapping[str, str], settings: Mapping[str, Any]) -> None:
        self._algorithms = [str(name) for name in settings.get("algorithms", ())]
        chosen = set(self._algorithms)
        if not chosen or not (chosen <= set(_SHARED) or chosen <= _PUBLIC):
            # A public key that is taken for a shared secret lets everybody sign.
            raise SchemeUnusable(
                "algorithms must be named: of HS256..., or of RS256, PS256, ES256, EdDSA..., not both"
            )
        self._key = secrets["key"]
        least = max(_SHARED.get(name, 0) for name in chosen)
        if len(self._key.encode()) < least:
            raise SchemeUnusable(f"the shared secret has less than {least} bytes")
        self._audience = settings.get("audience")
        self._issuer = settings.get("issuer")
        self._body_claim = str(settings.get("body_claim", ""))
        self._header = str(settings.get("header", "authorization")).lower()
        self._leeway = float(settings.get("window", 60.0))

    def verify(self, request: Incoming) -> Verified:
        """See Scheme."""
        text = request.header(self._header)
        if self._header == "authorization":
            word, _, text = text.partition(" ")
            if word.lower() != "bearer":
                raise Refusal("the Authorization header holds no Bearer token")
        if len(text) > LONGEST:
            raise Refusal("the token is too long")
        checks = {"verify_exp": False, "verify_nbf": False, "verify_iat": False, "require": ["exp"]}
        if self._audience is None:
            checks["verify_aud"] = False
        try:
            claims = jwt.decode(
                text.strip(),
                self._key,
                algorithms=self._algorithms,
                audience=self._audience,
                issuer=self._issuer,
                options=checks,  # type: ignore[arg-type]
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise Refusal(f"the token is not accepted: {type(error).__name__}") from error
        self._check_times(claims, request.now)
        if self._body_claim:
            digest = claims.get(self._body_claim)
            if not isinstance(digest, str) or not same(digest, hashlib.sha256(request.body).hexdigest()):
                raise Refusal("the token was made for another body")
        identity = claims.get("jti")
        return Verified(once=f"{identity}" if isinstance(identity, str) and identity else "")

    def _check_times(self, claims: Mapping[str, Any], now: float) -> None:
        for name in ("exp", "nbf", "iat"):
            value = claims.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise Refusal(f"{name} is no time")
            if value < now - self._leeway if name == "exp" else value > now + self._leeway:
                raise Refusal("the token is over" if name == "exp" else "the token is not valid yet")
