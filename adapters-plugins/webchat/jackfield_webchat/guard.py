"""Who may speak to the server: Host, Origin, token."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from urllib.parse import urlsplit

from aiohttp import web
from jackfield_sdk import Bot

SESSION = re.compile(r"[A-Za-z0-9_.-]{1,64}")
USER = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def origins_of(bot: Bot) -> set[str]:
    """Further origins that the operator allowed."""
    return {str(origin).rstrip("/").lower() for origin in bot.config.get("allowed_origins") or ()}


def token_of(bot: Bot) -> str:
    """The bot's token; empty when none is asked for."""
    return str(bot.config.get("token") or "")


def check_host(request: web.Request, allowed: set[str]) -> None:
    """Refuses names that nobody gave this server: a page elsewhere may point its own name at us (DNS
    rebinding). Addresses in figures cannot be rebound. Raises HTTPForbidden."""
    name = urlsplit(f"//{request.host}").hostname or ""
    if name == "localhost" or _is_address(name) or name in {urlsplit(origin).hostname for origin in allowed}:
        return
    raise web.HTTPForbidden(
        text=f"This server is not known as {name[:80]}. Add its origin to allowed_origins.\n"
    )


def check_origin(request: web.Request, allowed: set[str]) -> None:
    """Refuses pages of other sites. Programs that are no browser send no Origin. Raises HTTPForbidden."""
    origin = request.headers.get("Origin")
    if origin is None or origin.lower() in allowed:
        return
    if urlsplit(origin).netloc.lower() == request.host.lower() and origin.startswith(("http://", "https://")):
        return
    raise web.HTTPForbidden(text=f"Pages of {origin[:80]} may not speak here. Add it to allowed_origins.\n")


def bearer(request: web.Request) -> str:
    """The token in the Authorization header; empty without one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def is_token(bot: Bot, given: str) -> bool:
    """Compares in constant time. True for every bot without a token."""
    wanted = token_of(bot)
    return not wanted or hmac.compare_digest(wanted.encode(), given.encode())


def public_id(browser: str) -> str:
    """What others in a group see of a browser: its own id would open its private conversation."""
    return f"u-{hashlib.sha256(browser.encode()).hexdigest()[:20]}"


def page_headers(host: str) -> dict[str, str]:
    """Headers of the page: nothing runs but our own scripts, nobody frames it."""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: https:; "
        f"media-src blob: https:; connect-src 'self' ws://{host} wss://{host}; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
