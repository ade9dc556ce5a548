"""What a routing decision costs: a table of 20 rules asked about a plain message, and about others.

Run: `python tests/bench/routing.py [--rules 20] [--seconds 1]`, with the kernel on the path.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

from jackfield.v1 import entity_pb2, event_pb2, message_pb2, payload_pb2, router_pb2
from jackfield_kernel.routing.tables import RouteTables


def message(text: str) -> event_pb2.Event:
    """Someone wrote in a group."""
    return event_pb2.Event(
        id="0190f5d0-0000-7000-8000-000000000000",
        type="message.received",
        bot="web",
        platform="web",
        chat=entity_pb2.Chat(type=entity_pb2.CHAT_TYPE_GROUP, id="4711"),
        sender=entity_pb2.User(id="u1", nickname="Ann"),
        message_received=payload_pb2.MessageReceived(
            message_id="1",
            message=message_pb2.Message(segments=[message_pb2.Segment(text=message_pb2.Text(text=text))]),
        ),
    )


def rules(count: int) -> list[router_pb2.Rule]:
    """Rules of every sort, of which only the last one matches a plain message."""
    sorts = [
        ("message.received", router_pb2.Match(prefixes=["/", "!"])),
        ("message.received", router_pb2.Match(regex=r"(?i)\border\s+\d+")),
        ("message.*", router_pb2.Match(chat_types=["private"])),
        ("message.received", router_pb2.Match(chats=["1", "2", "3"])),
        ("message.received", router_pb2.Match(segments=["image"])),
        ("group.*", router_pb2.Match()),
        ("message.received", router_pb2.Match(sender_sets=["friends"])),
        ("message.received", router_pb2.Match(mention=True)),
    ]
    made = []
    for number in range(count - 1):
        event, match = sorts[number % len(sorts)]
        made.append(router_pb2.Rule(id=f"r{number}", event=event, priority=1, match=match, handler="echo"))
    return [*made, router_pb2.Rule(id="last", event="message.received", handler="echo")]


def microseconds(run: Callable[[], object], seconds: float) -> float:
    """Best mean of some rounds."""
    best = float("inf")
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        started = time.perf_counter()
        for _ in range(1_000):
            run()
        best = min(best, (time.perf_counter() - started) * 1_000)
    return best


def main() -> None:
    """Print one line per case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args()
    tables = RouteTables()
    tables.push_senders(router_pb2.SenderSet(name="friends", members=["u9"]))
    made = rules(options.rules)
    tables.push(router_pb2.RouteTable(bot="web", rules=made), source="bench")
    tables.push(router_pb2.RouteTable(bot="small", rules=[made[0], made[-1]]), source="bench")
    plain = [rule for rule in made if not rule.match.regex]
    tables.push(router_pb2.RouteTable(bot="plain", rules=plain), source="bench")
    without = message("a plain message of some words")
    without.bot = "plain"
    small = message("a plain message of some words")
    small.bot = "small"
    cases = {
        f"{options.rules} rules, the last one matches": message("a plain message of some words"),
        f"{len(plain)} of them without expressions": without,
        f"{options.rules} rules, the first one matches": message("/help"),
        f"{options.rules} rules, 10,000 characters": message("lorem " * 1_667),
        "2 rules (commands, echo)": small,
    }
    for name, event in cases.items():
        print(f"{name:<34}{microseconds(lambda event=event: tables.decide(event), options.seconds):8.2f} us")


if __name__ == "__main__":
    main()
