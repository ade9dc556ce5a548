"""`jackfield route`: which event goes where."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from google.protobuf import json_format
from jackfield.v1 import admin_pb2, entity_pb2, event_pb2, message_pb2, router_pb2

from .client import admin
from .failure import UsageFailure
from .given import settings
from .lazy import new_app
from .options import Data, Json, Yes, confirm
from .show import print_json, print_table, say

app = new_app("See which rule sends which event where.")

BotOption = Annotated[str, typer.Option("--bot", metavar="BOT", help="The bot.")]
COLUMNS = ("rule", "event", "priority", "handler", "when", "then", "from")

_OPERATORS = {
    router_pb2.OPERATOR_EQUAL: "=",
    router_pb2.OPERATOR_NOT_EQUAL: "≠",
    router_pb2.OPERATOR_CONTAINS: "contains",
    router_pb2.OPERATOR_NOT_CONTAINS: "lacks",
    router_pb2.OPERATOR_STARTS_WITH: "starts with",
    router_pb2.OPERATOR_REGEX: "matches",
}


@app.command("list", epilog="Example: jackfield route list --bot web")
def list_routes(bot: BotOption = "", data: Data = None, json: Json = False) -> None:
    """List the rules in force, in the order in which they are tried."""
    with admin(data) as stub:
        response = stub.ListRoutes(admin_pb2.ListRoutesRequest(bot=bot))
    if json:
        print_json(response)
        return
    for table in response.tables:
        say(f"\n{table.bot}" + (f" (version {table.version})" if table.version else ""))
        print_table(COLUMNS, map(rule_row, table.rules), empty="no rules", folding=3)
    if not response.tables:
        say("No rules are in force. Install a router plugin, or declare `routes` in jackfield.yaml.")


@app.command(
    epilog="Example: jackfield route add --bot web --event 'message.*' --handler echo --prefix !echo"
)
def add(
    bot: BotOption,
    handler: Annotated[str, typer.Option("--handler", metavar="PLUGIN", help="Who gets the event.")] = "",
    event: Annotated[
        str, typer.Option("--event", metavar="PATTERN", help="Which events; message.received by default.")
    ] = "",
    priority: Annotated[int, typer.Option("--priority", help="Higher is tried first.")] = 0,
    rule_id: Annotated[str, typer.Option("--id", help="Name of the rule.", show_default="made up")] = "",
    prefix: Annotated[list[str] | None, typer.Option("--prefix", help="The text begins with this.")] = None,
    regex: Annotated[str, typer.Option("--regex", help="RE2 expression found in the text.")] = "",
    chat: Annotated[list[str] | None, typer.Option("--chat", metavar="ID", help="In this chat.")] = None,
    sender: Annotated[
        list[str] | None, typer.Option("--sender", metavar="ID", help="From this sender.")
    ] = None,
    mention: Annotated[
        bool, typer.Option("--mention", help="The bot is mentioned, or the chat is private.")
    ] = False,
    go_on: Annotated[bool, typer.Option("--continue", help="Try the next rule after success too.")] = False,
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Configuration of the rule, by its handler's `rule_config`; repeatable.",
        ),
    ] = None,
    timeout: Annotated[
        int,
        typer.Option("--timeout", metavar="SECONDS", min=0, help="Hard end of one attempt; 600 by default."),
    ] = 0,
    busy: Annotated[
        Literal["queue", "merge", "interrupt", "reject", "steer", ""],
        typer.Option("--busy", help="When the lane is busy; queue by default."),
    ] = "",
    description: Annotated[str, typer.Option("--description", help="For people.")] = "",
    file: Annotated[
        Path | None,
        typer.Option("--file", metavar="RULE.json", help="The whole rule as protobuf JSON.", exists=True),
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Add a rule, by the router plugin. Options given beside --file win over the file."""
    rule = router_pb2.Rule()
    if file:
        _parse(file.read_text(encoding="utf-8"), rule, str(file))
    match = router_pb2.Match(prefixes=prefix, chats=chat, senders=sender, regex=regex, mention=mention)
    given = router_pb2.Rule(
        id=rule_id, event=event, priority=priority, handler=handler, description=description, match=match
    )
    if values:
        given.config.CopyFrom(settings(values))
    if timeout:
        given.timeout.FromSeconds(timeout)
    if busy:
        given.busy.mode = router_pb2.BusyMode.Value(f"BUSY_MODE_{busy.upper()}")
    # The field's name is a keyword of Python.
    setattr(given, "continue", go_on)
    rule.MergeFrom(given)
    rule.event = rule.event or "message.received"
    if not rule.handler:
        raise UsageFailure("The rule names no handler.", "Add --handler PLUGIN; see `jackfield plugin list`.")
    with admin(data) as stub:
        request = admin_pb2.AddRouteRequest(add=router_pb2.AddRuleRequest(bot=bot, rule=rule))
        answer = stub.AddRoute(request)
    if json:
        print_json(answer)
        return
    say(f"Added rule {answer.rule.id} to {bot}.")


@app.command(epilog="Example: jackfield route remove echo-prefix --bot web")
def remove(
    rule_id: Annotated[str, typer.Argument(metavar="RULE", help="Id of the rule.")],
    bot: BotOption,
    data: Data = None,
    yes: Yes = False,
) -> None:
    """Remove a rule, by the router plugin."""
    confirm(f"Remove rule {rule_id} of {bot}?", yes=yes)
    with admin(data) as stub:
        stub.RemoveRoute(admin_pb2.RemoveRouteRequest(bot=bot, rule_id=rule_id))
    say(f"Removed rule {rule_id}.")


@app.command("test", epilog="Example: jackfield route test --bot web --text '!echo hello'")
def try_event(
    file: Annotated[
        str, typer.Argument(metavar="[EVENT.json]", help="An event as protobuf JSON; - reads standard input.")
    ] = "",
    text: Annotated[str, typer.Option("--text", help="Instead: a private message with this text.")] = "",
    bot: BotOption = "",
    group: Annotated[bool, typer.Option("--group", help="With --text: in a group.")] = False,
    sender: Annotated[
        str, typer.Option("--sender", metavar="ID", help="With --text: from whom.")
    ] = "someone",
    data: Data = None,
    json: Json = False,
) -> None:
    """Say which rules an event would run through, and why not the others. Nothing happens to it."""
    if bool(file) == bool(text):
        raise UsageFailure("Give either EVENT.json or --text.", "For instance --bot web --text hello.")
    event = _event(file) if file else _message(text, sender, group=group)
    event.bot = bot or event.bot
    if not event.bot:
        raise UsageFailure("The event names no bot.", "Add --bot.")
    with admin(data) as stub:
        response = stub.TestRoute(admin_pb2.TestRouteRequest(event=event))
    if json:
        print_json(response)
        return
    rows = (
        (trace.rule.id, "yes" if trace.matches else "no", trace.rule.handler, trace.reason)
        for trace in response.rules
    )
    print_table(("rule", "matches", "handler", "why not"), rows, empty=f"{event.bot} has no rules.")
    say(f"It would run: {' → '.join(response.chain)}" if response.chain else "It would match no rule.")


def rule_row(rule: router_pb2.Rule) -> tuple[str, ...]:
    """A rule on one line."""
    then = [word for word, on in (("continue", getattr(rule, "continue")), ("bypass", rule.bypass)) if on]
    if rule.busy.mode:
        then.append(f"busy: {router_pb2.BusyMode.Name(rule.busy.mode).removeprefix('BUSY_MODE_').lower()}")
    if rule.on_error:
        then.append(f"on error: {router_pb2.OnError.Name(rule.on_error).removeprefix('ON_ERROR_').lower()}")
    name = f"{rule.id} (off)" if rule.disabled else rule.id
    return (
        name,
        rule.event,
        str(rule.priority),
        rule.handler,
        conditions(rule.match),
        ", ".join(then),
        rule.source,
    )


def conditions(match: router_pb2.Match) -> str:
    """What a rule demands beside its event pattern, in words."""
    parts = [
        f"{word} {' or '.join(values)}"
        for word, values in (
            ("in", match.chat_types),
            ("chat", match.chats),
            ("from", match.senders),
            ("from set", match.sender_sets),
            ("not from set", match.not_sender_sets),
            ("begins with", match.prefixes),
            ("has", match.segments),
        )
        if values
    ]
    parts += ["mentions the bot"] if match.mention else []
    parts += [f"matches /{match.regex}/"] if match.regex else []
    parts += ["also from bots"] if match.from_bots else []
    parts += [f"{one.field} {_OPERATORS.get(one.operator, '?')} {one.value}" for one in match.conditions]
    return "; ".join(parts)


def _event(file: str) -> event_pb2.Event:
    event = event_pb2.Event()
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageFailure(f"{file} cannot be read: {error}.") from error
    _parse(text, event, file)
    return event


def _parse(text: str, message: event_pb2.Event | router_pb2.Rule, source: str) -> None:
    try:
        json_format.Parse(text, message)
    except json_format.ParseError as error:
        remedy = "For the names see `jackfield event show ID --json` or `jackfield route list --json`."
        raise UsageFailure(
            f"{source} is not a {message.DESCRIPTOR.name} in protobuf JSON: {error}", remedy
        ) from error


def _message(text: str, sender: str, *, group: bool) -> event_pb2.Event:
    chat_type = entity_pb2.CHAT_TYPE_GROUP if group else entity_pb2.CHAT_TYPE_PRIVATE
    event = event_pb2.Event(
        id="test",
        type="message.received",
        chat=entity_pb2.Chat(type=chat_type, id=sender),
        sender=entity_pb2.User(id=sender),
    )
    segment = message_pb2.Segment(text=message_pb2.Text(text=text))
    event.message_received.message.segments.append(segment)
    return event
