"""The support matrix: what each adapter does, from what the kit saw."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from jackfield_sdk.conformance.declared import Declared

Report = dict[str, Any]
# Title, key of the declared names, topics whose cases are about them.
SECTIONS = (
    ("Events", "events", ("events",)),
    ("Methods", "apis", ("apis", "sending", "consistency")),
    ("Segments that arrive", "receive", ("receiving",)),
    ("Segments that are sent natively", "send", ("sending",)),
)
# The same keys as `Declared` names them.
_FIELDS = {"events": "events", "apis": "apis", "receive": "receives", "send": "sends"}
LEGEND = (
    "`yes`: declared and seen to work by the kit (level fake-e2e: the adapter's own process against a local platform). "
    "`declared`: declared, but the local platform cannot show it. `FAILS`: declared, and does not hold. Empty: not there."
)


def matrix(reports: Sequence[Report]) -> str:
    """The page. The same reports give the same page."""
    names = [report["adapter"] for report in reports]
    lines = [
        "# What each adapter can do",
        "",
        "Written by `make conformance` from the results of the kit; do not edit.",
        "",
        LEGEND,
    ]
    for title, section, topics in SECTIONS:
        rows = sorted({name for report in reports for name in report["declared"][section]})
        lines += ["", f"## {title}", "", f"| | {' | '.join(names)} |", f"| --- |{' --- |' * len(names)}"]
        for row in rows:
            cells = [_cell(report, section, row, topics) for report in reports]
            lines.append(f"| `{row}` | {' | '.join(cells)} |")
    lines += ["", "## Platform actions", ""]
    lines += [f"- {report['adapter']}: {_actions(report)}" for report in reports]
    lines += [
        "",
        "## Everything else",
        "",
        f"| case | {' | '.join(names)} |",
        f"| --- |{' --- |' * len(names)}",
    ]
    others = [_others(report) for report in reports]
    for key in dict.fromkeys(key for other in others for key in other):
        lines.append(f"| {key} | {' | '.join(other.get(key, '') for other in others)} |")
    return "\n".join(lines) + "\n"


def _cell(report: Report, section: str, name: str, topics: Iterable[str]) -> str:
    if name not in report["declared"][section]:
        return ""
    about = (one for one in report["results"] if one["subject"] == name and one["topic"] in topics)
    return _words([one["outcome"] for one in about])


def _words(outcomes: Sequence[str]) -> str:
    if "fail" in outcomes:
        return "FAILS"
    return "yes" if "pass" in outcomes else "declared"


def _actions(report: Report) -> str:
    outcomes = {one["subject"]: one["outcome"] for one in report["results"] if one["topic"] == "actions"}
    told = []
    for name in report["declared"]["actions"]:
        word = _words([outcomes.get(name, "skip")])
        told.append(f"`{name}`" if word == "yes" else f"`{name}` ({word})")
    return ", ".join(told) or "none"


def _others(report: Report) -> dict[str, str]:
    listed = {
        one["case"]: one["outcome"]
        for one in report["results"]
        if not one["subject"] or one["topic"] in ("operation", "errors", "consistency")
    }
    return {case: {"pass": "yes", "fail": "FAILS"}.get(word, "–") for case, word in listed.items()}


def stale(page: str, adapters: Sequence[Declared]) -> list[str]:
    """What the page says otherwise than the manifests; empty for a page that is up to date."""
    sections = {part.partition("\n")[0]: part for part in page.split("\n## ")[1:]}
    wrong = []
    for title, section, _ in SECTIONS:
        rows = [_cells(line) for line in sections.get(title, "").splitlines() if line.startswith("|")]
        names = rows[0][1:] if rows else []
        shown = {
            (name, row[0].strip("`"))
            for row in rows[2:]
            for name, cell in zip(names, row[1:], strict=True)
            if cell
        }
        said = {(one.name, value) for one in adapters for value in getattr(one, _FIELDS[section])}
        wrong += [f"{title}: {name} {value}" for name, value in sorted(shown ^ said)]
    listed = sections.get("Platform actions", "").splitlines()
    for one in adapters:
        line = next((line for line in listed if line.startswith(f"- {one.name}: ")), "")
        missing = [action["name"] for action in one.actions if f"`{action['name']}`" not in line]
        if missing or not line:
            wrong.append(f"Platform actions: {one.name} {', '.join(missing)}")
    return wrong


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
