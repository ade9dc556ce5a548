"""What a run leaves: evidence as JSON lines, a page for people, JUnit for machines, a summary for the support matrix."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as tree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jackfield_sdk.conformance.case import Outcome, Result
from jackfield_sdk.conformance.catalogue import KIT_VERSION
from jackfield_sdk.conformance.runner import Run
from jackfield_sdk.entity import Chat, User

MARKS = {Outcome.PASS: "yes", Outcome.FAIL: "**no**", Outcome.SKIP: "skipped"}


def write(run: Run, folder: Path) -> list[Path]:
    """Writes all of it into a folder and returns the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    name = run.declared.name
    pages = {
        f"{name}.jsonl": "".join(f"{line}\n" for line in evidence(run)),
        f"{name}.md": page(run),
        f"{name}.xml": junit(run),
        f"{name}.json": json.dumps(summary(run), indent=1, ensure_ascii=False) + "\n",
    }
    written = []
    for file, content in pages.items():
        path = folder / file
        path.write_text(content, encoding="utf-8")
        written.append(path)
    return written


def evidence(run: Run) -> Iterator[str]:
    """One line for each step and each result; ids of people and chats are hashed, secrets are masked."""
    about = {
        "ts": run.started.isoformat(),
        "run_id": run.run_id,
        "adapter": run.declared.name,
        "adapter_version": run.declared.version,
        "kit_version": KIT_VERSION,
        "endpoint": run.endpoint,
    }
    for result in run.results:
        for step in result.steps:
            yield _masked(
                run, json.dumps({**about, "case": result.case.key, **_redacted(step)}, ensure_ascii=False)
            )
        yield _masked(run, json.dumps({**about, **_told(result)}, ensure_ascii=False))


def _told(result: Result) -> dict[str, Any]:
    case = result.case
    return {
        "case": case.key,
        "title": case.title,
        "level": str(case.level) if result.outcome is Outcome.PASS else "",
        "outcome": str(result.outcome),
        "reason": result.reason,
        "ok": result.outcome is not Outcome.FAIL,
        "seconds": round(result.seconds, 3),
    }


def _redacted(step: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, value in step.items():
        if isinstance(value, Chat):
            plain |= {"chat_type": value.type.name, "chat": _hashed(value.id)}
        elif isinstance(value, User):
            plain[name] = _hashed(value.id)
        else:
            plain[name] = value
    return plain


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _masked(run: Run, line: str) -> str:
    for secret in run.secrets:
        line = line.replace(secret, "***")
    return line


def summary(run: Run) -> dict[str, Any]:
    """What the support matrix is made of; the same for every run of the same adapter with the same outcome."""
    return {
        "adapter": run.declared.name,
        "version": run.declared.version,
        "kit": KIT_VERSION,
        "declared": {
            "events": sorted(run.declared.events),
            "apis": sorted(run.declared.apis),
            "receive": sorted(run.declared.receives),
            "send": sorted(run.declared.sends),
            "actions": sorted(str(action["name"]) for action in run.declared.actions),
        },
        "results": [
            {
                "case": one.case.key,
                "topic": one.case.topic,
                "subject": one.case.subject,
                "outcome": str(one.outcome),
                "reason": _masked(run, one.reason),
            }
            for one in run.results
        ],
    }


def page(run: Run) -> str:
    """The report of one adapter in Markdown."""
    declared = run.declared
    lines = [
        f"# {declared.name} {declared.version}: conformance",
        "",
        f"Kit {KIT_VERSION}, {run.started:%Y-%m-%d}, {run.seconds:.0f} s, against `{run.endpoint}`, run {run.run_id}. "
        f"{run.count(Outcome.PASS)} passed, {run.count(Outcome.FAIL)} failed, {run.count(Outcome.SKIP)} skipped.",
        "",
        "Everything was sent and received by the adapter's own process under the fake kernel; destructive methods ran "
        "on the disposable local platform. No live account and no client's screen took part.",
    ]
    for topic in dict.fromkeys(result.case.topic for result in run.results):
        lines += [
            "",
            f"## {topic}",
            "",
            "| case | must hold | holds | level | why |",
            "| --- | --- | --- | --- | --- |",
        ]
        for result in run.results:
            if result.case.topic == topic:
                case = result.case
                level = str(case.level) if result.outcome is Outcome.PASS else ""
                reason = result.reason.replace("|", "\\|").replace("\n", " ")
                lines.append(f"| {case.key} | {case.title} | {MARKS[result.outcome]} | {level} | {reason} |")
    return _masked(run, "\n".join(lines) + "\n")


def junit(run: Run) -> str:
    """The same as JUnit XML."""
    suite = tree.Element(
        "testsuite",
        name=f"conformance.{run.declared.name}",
        tests=str(len(run.results)),
        failures=str(run.count(Outcome.FAIL)),
        skipped=str(run.count(Outcome.SKIP)),
        time=f"{run.seconds:.3f}",
    )
    for result in run.results:
        case = tree.SubElement(
            suite,
            "testcase",
            classname=f"{run.declared.name}.{result.case.topic}",
            name=f"{result.case.key} {result.case.title}",
            time=f"{result.seconds:.3f}",
        )
        if result.outcome is Outcome.FAIL:
            tree.SubElement(case, "failure", message=_clean(_masked(run, result.reason)))
        elif result.outcome is Outcome.SKIP:
            tree.SubElement(case, "skipped", message=_clean(result.reason))
    return tree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _clean(text: str) -> str:
    """Without characters that XML has no way to write."""
    return "".join(c for c in text if c in "\t\n" or c >= " ")
