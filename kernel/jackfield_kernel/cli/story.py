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
            ("caused by", event.cause),
            ("says", content(event)),
        )
    )
    say()
    handlers: dict[int, str] = {}
    for record in story.records:
        for line in _told(record, handlers):
            say(f"  {line}")
    if not story.records:
        say("  Not routed yet: it waits for a route table or a sender set. See `jackfield status`.")


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
    if kind == "merged":
        return [f"merged  with {', '.join(record.merged.members)}"]
    return [f"record {record.sequence} of a newer kernel"]


def _routed(routed: journal_pb2.RoutedRecord, handlers: dict[int, str]) -> list[str]:
    if not routed.rules:
        return ["matched no rule"]
    lines = []
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
    return [f"call    {time} {method} at {call.provider}{where}: {how}{f', {took}' if took else ''}{twice}"]


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
    lines += [f"        emitted {event_id}" for event_id in outcome.emitted]
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
