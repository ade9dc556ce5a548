"""What this plugin says, in the languages it speaks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from jackfield_scheduler.job import Job, Run

_TEXTS: Mapping[str, Mapping[str, str]] = {
    "added": {"en": "Job {id} is kept; next run: {due}.", "zh": "已保存任务 {id}；下次运行：{due}。"},
    "reminder": {"en": "I will remind you at {due} ({id}).", "zh": "我会在 {due} 提醒你（{id}）。"},
    "removed": {"en": "Job {id} is removed.", "zh": "已删除任务 {id}。"},
    "changed": {"en": "Job {id} is {state}; next run: {due}.", "zh": "任务 {id}：{state}；下次运行：{due}。"},
    "none": {"en": "There are no jobs.", "zh": "没有任务。"},
    "no_runs": {"en": "Job {id} did not run yet.", "zh": "任务 {id} 尚未运行。"},
    "home": {"en": "This chat is now the home channel of {bot}.", "zh": "此会话现在是 {bot} 的主频道。"},
    "pinned": {
        "en": "The configuration sets the home channel of {bot}; change `homes` there.",
        "zh": "{bot} 的主频道由配置设定，请在配置的 `homes` 中修改。",
    },
    "usage": {
        "en": "Write: job add [--agent] [--skip] [--to TARGET] [--fail TARGET] [--tz ZONE] SCHEDULE TEXT, or job "
        "remove|pause|resume|run|history ID. A SCHEDULE is five cron fields, every 2h, 30m or 2027-01-31T09:00.",
        "zh": "用法：job add [--agent] [--skip] [--to 目标] [--fail 目标] [--tz 时区] 时间 文本，或 job "
        "remove|pause|resume|run|history ID。时间可为五段 cron、every 2h、30m 或 2027-01-31T09:00。",
    },
}


def say(locale: str, name: str, **values: str) -> str:
    """A text in the user's language, else in English."""
    texts = _TEXTS[name]
    return texts.get(locale.partition("-")[0], texts["en"]).format(**values)


def shown(when: str, zone: str) -> str:
    """An ISO time as people of the zone read it; a dash for none."""
    if not when:
        return "-"
    return f"{datetime.fromisoformat(when).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %Z}"


def line_of(job: Job) -> str:
    """One job on one line."""
    last = f"; last: {result_of(job.runs[0])}" if job.runs else ""
    text = job.text if len(job.text) <= 60 else job.text[:59] + "…"
    return (
        f"{job.id} [{job.state}] {job.schedule} -> {job.target}; next: {shown(job.due, job.zone)}{last}; "
        f"{job.kind}: {' '.join(text.split())}"
    )


def run_line(run: Run, zone: str) -> str:
    """One run on one line: how its work went and what became of its result are two things."""
    late = " late" if run.late else ""
    error = f": {run.error}" if run.error else ""
    return f"{shown(run.due, zone)}{late} - run {run.run}, delivery {run.delivery}{error}"


def result_of(run: Run) -> str:
    """A run in a word."""
    return "failed" if run.failed else str(run.run)
