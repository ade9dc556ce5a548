"""The story of one event, told for people."""

from __future__ import annotations

from jackfield.v1 import admin_pb2, entity_pb2, event_pb2, journal_pb2, message_pb2

from .show import age, clock, print_facts, said, say

_SETTLED = {
    journal_pb2.DELIVERY_STATE_READY: "comes again",
    journal_pb2.DELIVERY_STATE_DONE: "handled",
    journal_pb2.DELIVERY_STATE_INTERRUPTED: "interrupted",
    journal_pb2.DELIVERY_STATE_DEAD: "dead letter",
    journal_pb2.DELIVERY_STATE_MERGED: "merged into another delivery",
    journal_pb2.DELIVERY_STATE_DROPPED: "dropped",
}


_OPEN = {
    "READY": "waits for",
    "LEASED": "is at",
    "WAITING": "is in back-off, then goes to",
    "MERGING": "waits whether more comes, then goes to",
    "ENDING": "was ended, being written, at",
}


def print_story(story: admin_pb2.GetEventResponse) -> None:
    """Print what was accepted and what followed, in order."""
    accepted, event = story.accepted, story.accepted.event
    print_facts(
        (
            ("event", event.id),
            ("type", event.type),
            ("accepted", clock(accepted.time)),
            ("happened", clock(event.time)),
            (
                "from",
                " ".join(
                    filter(None, (_user(event.sender), f"by {accepted.plugin}" if accepted.plugin else ""))
                ),
            ),
            ("bot", f"{event.bot} ({event.platform})" if event.platform else event.bot),
            ("chat", _chat(event.chat) if event.HasField("chat") else ""),
            ("lane", accepted.lane),
            ("trace", event.trace[3:35]),
            ("known by", f"the id and {accepted.dedup_key}" if accepted.dedup_key else ""),
            ("repeated", f"{story.duplicates} times, ignored" if story.duplicates else ""),
            ("caused by", f"delivery {event.cause}{_of_parent(story)}" if event.cause else ""),
            ("says", content(event)),
        )
    )
    say()
    handlers: dict[int, str] = {}
    types = {child.id: child.type for child in story.children}
    for record in story.records:
        for line in _told(record, handlers):
            say(f"  {line}")
        for event_id in record.outcome.emitted:
            say(f"          emitted {event_id}  {types.get(event_id, '')}".rstrip())
    _print_now(story)


def _print_now(story: admin_pb2.GetEventResponse) -> None:
    """What is open, and what came of it."""
    if story.waiting:
        say(f"  waits   not routed yet: {story.waiting}. See `jackfield status`.")
    elif story.accepted.event.type.startswith("kernel."):
        say("  It is told to observers; no rule sees it.")
    if story.HasField("open"):
        found = story.open
        word = _OPEN.get(found.state, found.state)
        ahead = f", {found.ahead} before it in its lane" if found.ahead else ""
        failed = f", {found.attempt} attempts failed" if found.attempt else ""
        lost = f", {found.crashes} lost sessions" if found.crashes else ""
        say(f"  now     {word} {found.handler} (delivery {found.delivery_id}){ahead}{failed}{lost}")
    if story.merged_into:
        say(f"  merged  into delivery {story.merged_into}")
    for delivery_id in story.dead_letters:
        say(f"  kept    as a dead letter: jackfield dead replay {delivery_id}")


def _of_parent(story: admin_pb2.GetEventResponse) -> str:
    return f" of a {story.parent.type}" if story.HasField("parent") else ""


def content(event: event_pb2.Event) -> str:
    """What an event says: the text of a message, or its payload in words."""
    kind = event.WhichOneof("payload")
    if kind is None:
        return ""
    payload = getattr(event, kind)
    if isinstance(message := getattr(payload, "message", None), message_pb2.Message):
        return "".join(_segment(segment) for segment in message.segments)
    return " ".join(str(payload).split())


def _told(record: admin_pb2.StoryRecord, handlers: dict[int, str]) -> list[str]:
    kind = record.WhichOneof("record")
    if kind == "routed":
        return _routed(record.routed, handlers)
    if kind == "call":
        return _called(record.call)
    if kind == "outcome":
        return _ended(record.outcome, handlers)
    if kind == "replayed":
        return [f"again   {clock(record.replayed)} its dead letter was replayed"]
    if kind == "merged":
        return [f"merged  with {', '.join(record.merged.members)}"]
    return [f"record {record.sequence} of a newer kernel"]


def _routed(routed: journal_pb2.RoutedRecord, handlers: dict[int, str]) -> list[str]:
    if not routed.rules:
        return [f"matched no rule of table {routed.table_version}"] if routed.table_version else []
    lines = [f"routed  by table {routed.table_version}"] if not routed.first_step else []
    for step, rule in enumerate(routed.rules, routed.first_step):
        handlers[step] = rule.handler
        lines.append(f"rule    {rule.id} → {rule.handler}" + (" (bypass)" if rule.bypass else ""))
    return lines


def _called(call: journal_pb2.CallRecord) -> list[str]:
    took = age(call.duration_micros / 1e6) if call.duration_micros else ""
    where = f" in {_chat(call.chat)}" if call.HasField("chat") else ""
    twice = ", possibly done twice" if call.possibly_repeated else ""
    how = f"failed: {said(call.error)}" if call.HasField("error") else "ok"
    method = call.method.rpartition("/")[2]
    time = clock(call.time, date=False)
    who = f" by {call.caller}" if call.caller else ""
    return [
        f"call    {time} {method}{who} at {call.provider}{where}: {how}{f', {took}' if took else ''}{twice}"
    ]


def _ended(outcome: journal_pb2.OutcomeRecord, handlers: dict[int, str]) -> list[str]:
    word = _SETTLED.get(outcome.state, "unknown")
    who = handlers.get(outcome.step, f"step {outcome.step}")
    parts = [f"{word:<7} {clock(outcome.time, date=False)} by {who}"]
    if outcome.HasField("error"):
        parts.append(f": {said(outcome.error)}")
    if outcome.attempt:
        parts.append(f", attempt {outcome.attempt}")
    if outcome.crashes:
        parts.append(f", {outcome.crashes} lost sessions")
    if outcome.state == journal_pb2.DELIVERY_STATE_READY and outcome.HasField("next_time"):
        parts.append(f", not before {clock(outcome.next_time, date=False)}")
    lines = ["".join(parts)]
    if trace := outcome.error.metadata.get("traceback", ""):
        lines += [f"        {line}" for line in trace.splitlines()]
    return lines


def _segment(segment: message_pb2.Segment) -> str:
    kind = segment.WhichOneof("content")
    return segment.text.text if kind == "text" else f"[{kind or 'unknown'}]"


def _user(user: entity_pb2.User) -> str:
    name = user.nickname or user.username
    return f"{name} ({user.id})" if name and user.id else name or user.id


def _chat(chat: entity_pb2.Chat) -> str:
    kind = entity_pb2.ChatType.Name(chat.type).removeprefix("CHAT_TYPE_").lower()
    return f"{kind} {chat.name or chat.id}" + (f", thread {chat.thread_id}" if chat.thread_id else "")
