"""Which addresses exist: every route of every adapter's manifest, once for each of its bots."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jackfield_sdk import NotFound
from jackfield_sdk.router import Catalog

from jackfield_ingress.challenges import CHALLENGES
from jackfield_ingress.rate import Bucket
from jackfield_ingress.verify import Scheme, SchemeUnusable, scheme_of

Lend = Callable[[str, str], Awaitable[str]]
"""Reads (bot, key). Raises NotFound."""


@dataclass(slots=True)
class Served:
    """One route of one bot, ready to verify. `off` says why requests are turned away for now, such as a bot that is switched off."""

    plugin: str
    bot: str
    route: str
    methods: tuple[str, ...]
    scheme: Scheme
    challenge: str
    challenge_secret: str
    deadline: float
    max_body: int
    bucket: Bucket
    off: str = ""

    @property
    def path(self) -> str:
        """Where it is reached, below the public URL."""
        return f"/{self.plugin}/{self.bot}/{self.route}"


@dataclass(frozen=True, slots=True)
class Unserved:
    """A route that cannot be verified, and why. `wanted`: the operator set something for it, so that it should work."""

    path: str
    why: str
    wanted: bool


async def served_routes(
    catalog: Catalog, lend: Lend, earlier: Mapping[str, Served]
) -> tuple[dict[str, Served], list[Unserved]]:
    """All routes by path, and those that cannot be. What is known of rates is taken over from `earlier`. Raises what `lend` raises."""
    declared = {plugin.name: _routes(plugin.manifest) for plugin in catalog.plugins}
    served: dict[str, Served] = {}
    unserved: list[Unserved] = []
    for bot in catalog.bots:
        for route in declared.get(bot.adapter, ()):
            path = f"/{bot.adapter}/{bot.name}/{route['name']}"
            secrets = await _lent(lend, bot.name, route)
            try:
                one = _served(bot.adapter, bot.name, route, secrets)
            except SchemeUnusable as error:
                unserved.append(Unserved(path, str(error), bool(secrets)))
                continue
            known = earlier.get(path)
            if known is not None and known.bucket.rate == one.bucket.rate:
                one.bucket = known.bucket
            if not bot.enabled:
                one.off = "the bot is switched off"
            served[path] = one
    return served, unserved


def _routes(manifest: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    provides = manifest.get("provides") or {}
    return provides.get("routes") or ()


async def _lent(lend: Lend, bot: str, route: Mapping[str, Any]) -> dict[str, str]:
    secrets = {}
    for role, key in (route["verify"].get("secrets") or {}).items():
        try:
            secrets[role] = await lend(bot, key)
        except NotFound:
            # Not set: the scheme says whether it can do without.
            continue
    return secrets


def _served(plugin: str, bot: str, route: Mapping[str, Any], secrets: dict[str, str]) -> Served:
    challenge = route.get("challenge") or ""
    if challenge and challenge not in CHALLENGES:
        raise SchemeUnusable(f"there is no challenge {challenge!r}; known: {', '.join(sorted(CHALLENGES))}")
    verify = route["verify"]
    return Served(
        plugin=plugin,
        bot=bot,
        route=route["name"],
        methods=tuple(route.get("methods") or ("POST",)),
        scheme=scheme_of(verify["scheme"], secrets, verify.get("settings") or {}),
        challenge=challenge,
        challenge_secret=secrets.get("challenge", ""),
        deadline=float(route.get("deadline", 3.0)),
        max_body=int(route.get("max_body", 262_144)),
        bucket=Bucket(float(route.get("rate", 50.0))),
    )
