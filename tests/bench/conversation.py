"""What a memory of many turns costs: appending, history, and searches by word, part of a word and wide script.

Run: `python tests/bench/conversation.py [--turns 20000] [--searches 200]`; a million by `--turns 1000000`. Needs the plugin on the path.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

from jackfield.v1 import conversation_pb2, model_pb2
from jackfield_conversation import reading
from jackfield_conversation.database import Database
from jackfield_conversation.writing import Place, Writing
from jackfield_sdk import Chat

BATCH = 100
CHATS = 50
WORDS = [
    f"{head}{tail}"
    for head in ("am", "bel", "cor", "dun", "ef", "gra", "hol")
    for tail in ("ber", "low", "mist", "ride", "stone", "wick")
]
WIDE = ["今天", "天气", "公园", "会议", "明天", "电影", "晚饭", "旅行"]


def sentence(chance: random.Random) -> str:
    """A turn's text: common words, one rare number, at times Chinese."""
    words = chance.choices(WORDS, k=chance.randint(6, 24))
    if chance.random() < 0.3:
        words.append("".join(chance.choices(WIDE, k=3)))
    return " ".join([*words, f"n{chance.randrange(100_000)}"])


async def fill(database: Database, writing: Writing, turns: int, chance: random.Random) -> float:
    """Write turns into the conversations of many chats; seconds taken."""
    places = [Place("b", Chat.private(str(number))) for number in range(CHATS)]
    started = time.perf_counter()
    for first in range(0, turns, BATCH):
        place = places[first // BATCH % CHATS]
        batch = []
        for number in range(first, min(first + BATCH, turns)):
            one = conversation_pb2.ConversationTurn(id=f"t{number}")
            one.message.role = model_pb2.MODEL_ROLE_USER
            one.message.content.segments.add().text.text = sentence(chance)
            batch.append(one)
        await database.write(partial(append, writing=writing, place=place, turns=batch, now=first + 1))
    return time.perf_counter() - started


def append(db: Any, writing: Writing, place: Place, turns: list[Any], now: int) -> None:
    """One batch in one transaction."""
    row, _ = writing.open(db, place, now)
    writing.append(db, row, turns, now)


async def measured(run: Callable[[], Awaitable[Any]], times: int) -> tuple[float, float]:
    """Median and 95th percentile in milliseconds."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        await run()
        taken.append(1_000 * (time.perf_counter() - started))
    taken.sort()
    return taken[len(taken) // 2], taken[int(len(taken) * 0.95)]


async def run(turns: int, searches: int) -> dict[str, float]:
    """The figures by name: seconds, bytes and milliseconds."""
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conversations.sqlite3"
        database = Database(path)
        writing = Writing(database.parts_of_words)
        try:
            seconds = await fill(database, writing, turns, chance)
            figures = {
                "turns": turns,
                "append_per_second": turns / seconds,
                "bytes_per_turn": path.stat().st_size / turns,
            }
            queries = {
                "rare_word": lambda: f"n{chance.randrange(100_000)}",
                "frequent_word": lambda: chance.choice(WORDS),
                "part_of_a_word": lambda: chance.choice(["mbersto", "orwick", "olmis", "unlo"]),
                "chinese": lambda: chance.choice(WIDE),
            }
            wanted = {"bot": reading.Filter("b"), "chat": reading.Filter("b", chat_key="private:7")}
            for where, narrowed in wanted.items():
                for name, query in queries.items():

                    def look(
                        query: Callable[[], str] = query, narrowed: reading.Filter = narrowed
                    ) -> Awaitable[Any]:
                        work = partial(
                            reading.search,
                            typed=query(),
                            wanted=narrowed,
                            most=20,
                            parts=database.parts_of_words,
                        )
                        return database.read(work)

                    (
                        figures[f"search_{where}_{name}_p50"],
                        figures[f"search_{where}_{name}_p95"],
                    ) = await measured(look, searches)
            number = await database.read(lambda db: reading.by_name(db, "b", _first(db))["n"])
            past = partial(reading.history, n=number, most=100, tokens=0)
            figures["history_p50"], figures["history_p95"] = await measured(
                lambda: database.read(past), searches
            )
            return figures
        finally:
            database.close()


def _first(db: Any) -> str:
    row = db.execute("SELECT id FROM conversations ORDER BY n LIMIT 1").fetchone()
    return str(row["id"])


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=20_000)
    parser.add_argument("--searches", type=int, default=200)
    chosen = parser.parse_args()
    for name, value in asyncio.run(run(chosen.turns, chosen.searches)).items():
        print(f"{name:40} {value:12,.2f}")


if __name__ == "__main__":
    main()
