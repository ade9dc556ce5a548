"""`python -m tests.chaos.matrix`: run the matrix, print it as a table, and write JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from .cells import Outcome, cells, run

BEGIN, END = "<!-- kill matrix -->", "<!-- end of the kill matrix -->"
HEADER = (
    "| victim | dies | load | messages | deaths | lost | repeated | out of order | longest silence | promise held |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> int:
    """Exit code 1 when a promise was broken in any cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="cells whose victim or step contains this")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the outcomes there")
    parser.add_argument("--page", type=Path, help="put the table between the marks of this page")
    options = parser.parse_args()
    outcomes = []
    for cell in cells():
        if options.only not in f"{cell.name}, {cell.step}":
            continue
        outcome = asyncio.run(run(cell, options.seed))
        outcomes.append(outcome)
        print(line(outcome), flush=True)
    if options.page:
        put(options.page, [HEADER, *map(line, outcomes)])
    if options.json:
        options.json.write_text(json.dumps([one.as_json() for one in outcomes], indent=1))
    return 0 if all(one.sound for one in outcomes) else 1


def put(page: Path, rows: list[str]) -> None:
    """Replace the table of the page."""
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n" + "\n".join(rows) + f"\n{END}{after}")


def line(outcome: Outcome) -> str:
    """One row of the table in Markdown."""
    cell, count = outcome.cell, outcome.count
    speed = f"{cell.per_second:g}/s" if cell.per_second else "full speed"
    cells = (cell.name, cell.step, speed, count.messages, outcome.deaths, count.lost, count.repeated,
             count.out_of_order, f"{count.quiet:.1f} s", "yes" if outcome.sound else "NO")  # fmt: skip
    return "| " + " | ".join(map(str, cells)) + " |"


if __name__ == "__main__":
    sys.exit(main())
