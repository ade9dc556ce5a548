"""Whether a rule fits what is installed. What the contract alone decides, the kernel checks at the push."""

from __future__ import annotations

from jackfield.v1 import router_pb2
from jackfield_sdk import InvalidArgument, UnknownBot
from jackfield_sdk.patterns import matches

from jackfield_router.catalog import Catalog


def check_bot(bot: str, catalog: Catalog) -> None:
    """Raises UnknownBot for a bot that is not configured."""
    if bot not in catalog.bots:
        raise UnknownBot(
            f"there is no bot {bot!r}",
            remedy=f"Use one of: {', '.join(catalog.bots) or 'none is configured'}.",
            metadata={"bot": bot, "field": "bot"},
        )


def check_rule(rule: router_pb2.Rule, bot: str, catalog: Catalog) -> None:
    """Raises InvalidArgument for a handler that is not installed, or an event that it does not take or the bot never has."""
    if rule.handler not in catalog.handlers:
        raise InvalidArgument(
            f"rule {rule.id}: {rule.handler!r} is no installed handler",
            remedy=f"Install it, or use one of: {', '.join(sorted(catalog.handlers)) or 'none'}.",
            metadata={"rule": rule.id, "field": "handler"},
        )
    taken = catalog.handles(rule.handler)
    if taken and not any(matches(pattern, rule.event) for pattern in taken):
        raise InvalidArgument(
            f"rule {rule.id}: {rule.handler} takes no event {rule.event!r}",
            remedy=f"Use one of: {', '.join(taken)}; or another handler.",
            metadata={"rule": rule.id, "field": "event", "expected": ", ".join(taken)},
        )
    if not _event_fits(rule.event, bot, catalog):
        types = sorted(catalog.event_types(bot) | catalog.wildcards(bot))
        raise InvalidArgument(
            f"rule {rule.id}: bot {bot} never has an event {rule.event!r}",
            remedy=f"Use one of: {', '.join(types)}.",
            metadata={"rule": rule.id, "field": "event", "expected": ", ".join(types)},
        )


def _event_fits(event: str, bot: str, catalog: Catalog) -> bool:
    if event in ("*", "platform.specific"):
        return True
    if event.endswith(".*"):
        return catalog.knows_namespace(bot, event.removesuffix(".*"))
    return catalog.knows_type(bot, event)
