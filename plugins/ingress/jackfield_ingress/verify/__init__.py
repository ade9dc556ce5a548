"""The schemes by which platforms sign their requests, by the name that manifests use. One file each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jackfield_ingress.verify.ed25519 import Ed25519
from jackfield_ingress.verify.hmac_body import HmacSha1, HmacSha256
from jackfield_ingress.verify.jwt_bearer import JwtBearer
from jackfield_ingress.verify.lark import Lark
from jackfield_ingress.verify.scheme import Incoming, Refusal, Scheme, SchemeUnusable, Verified
from jackfield_ingress.verify.secret_token import SecretToken
from jackfield_ingress.verify.sha1_aes import Sha1Aes
from jackfield_ingress.verify.slack_v0 import SlackV0

SCHEMES: Mapping[str, type[Scheme]] = {
    "hmac-sha256": HmacSha256,
    "hmac-sha1": HmacSha1,
    "ed25519": Ed25519,
    "slack-v0": SlackV0,
    "lark": Lark,
    "secret-token": SecretToken,
    "jwt": JwtBearer,
    "sha1-aes": Sha1Aes,
}


def scheme_of(name: str, secrets: Mapping[str, str], settings: Mapping[str, Any]) -> Scheme:
    """The scheme with its secrets. Raises SchemeUnusable for one that is not known, lacks a secret or is set up wrong."""
    found = SCHEMES.get(name)
    if found is None:
        raise SchemeUnusable(f"there is no verification scheme {name!r}; known: {', '.join(sorted(SCHEMES))}")
    unknown = sorted(set(settings) - set(found.settings))
    if unknown:
        raise SchemeUnusable(f"{name} has no setting {', '.join(unknown)}")
    missing = [role for role in found.needs if not secrets.get(role)]
    if missing:
        raise SchemeUnusable(f"{name} lacks its secret {', '.join(missing)}")
    return found(secrets, settings)


__all__ = ["SCHEMES", "Incoming", "Refusal", "Scheme", "SchemeUnusable", "Verified", "scheme_of"]
