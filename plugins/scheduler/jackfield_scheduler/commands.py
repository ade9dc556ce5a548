"""`/jobs`, `/job`, `/remind`, `/sethome`. The command plugin has checked who may."""

from __future__ import annotations

from jackfield_sdk import CommandContext, InvalidArgument, Plugin

from jackfield_scheduler.desk import Desk, Wish, cut, place_of
from jackfield_scheduler.job import Job
from jackfield_scheduler.scene import Scene
from jackfield_scheduler.texts import line_of, run_line, say, shown

_VALUES = {"--to": "target", "--fail": "on_failure", "--tz": "zone"}
_FLAGS = {"--agent": ("kind", "event"), "--skip": ("missed", "skip")}
MOST_LISTED = 30


def register(plugin: Plugin, scene: Scene) -> None:
    """Serve them."""

    @plugin.command("jobs")
    async def jobs(ctx: CommandContext, args: str) -> str:
        found = await scene.desk.store.all()
        lines = [line_of(job) for job in found[:MOST_LISTED]]
        if len(found) > MOST_LISTED:
            lines.append(f"... {len(found) - MOST_LISTED}")
        return "\n".join(lines) or say(ctx.locale, "none")

    @plugin.command("job")
    async def job(ctx: CommandContext, args: str) -> str:
        verb, _, rest = args.strip().partition(" ")
        if verb == "add":
            added = await scene.desk.add(_wish(ctx, rest))
            return say(ctx.locale, "added", id=added.id, due=shown(added.due, added.zone))
        return await _changed(ctx, scene.desk, verb, rest.strip())

    @plugin.command("remind")
    async def remind(ctx: CommandContext, args: str) -> str:
        schedule, text = cut(args)
        bot, chat, sender = place_of(ctx.event)
        added = await scene.desk.add(Wish(bot, chat, sender, schedule, text, ctx.event.id))
        return say(ctx.locale, "reminder", id=added.id, due=shown(added.due, added.zone))

    @plugin.command("sethome")
    async def sethome(ctx: CommandContext, args: str) -> str:
        bot, chat, _ = place_of(ctx.event)
        if scene.desk.targets.pinned(bot):
            return say(ctx.locale, "pinned", bot=bot)
        await scene.desk.store.set_home(bot, chat)
        return say(ctx.locale, "home", bot=bot)


async def _changed(ctx: CommandContext, desk: Desk, verb: str, name: str) -> str:
    if verb not in ("remove", "pause", "resume", "run", "history") or not name or " " in name:
        raise InvalidArgument(say(ctx.locale, "usage"))
    if verb == "remove":
        await desk.store.remove(name)
        return say(ctx.locale, "removed", id=name)
    if verb == "history":
        return _history(ctx, await desk.job(name))
    changed = await desk.change(name, verb, ctx.event.time or desk.now())
    return say(ctx.locale, "changed", id=name, state=changed.state, due=shown(changed.due, changed.zone))


def _history(ctx: CommandContext, job: Job) -> str:
    runs = (job.running, *job.runs) if job.running is not None else job.runs
    return "\n".join(run_line(run, job.zone) for run in runs) or say(ctx.locale, "no_runs", id=job.id)


def _wish(ctx: CommandContext, text: str) -> Wish:
    """Options, then a schedule, then the text as it was written."""
    options: dict[str, str] = {}
    rest = text.strip()
    while rest.startswith("--"):
        word, _, rest = rest.partition(" ")
        rest = rest.strip()
        if word in _FLAGS:
            name, value = _FLAGS[word]
        elif word in _VALUES:
            name = _VALUES[word]
            value, _, rest = rest.partition(" ")
            rest = rest.strip()
        else:
            raise InvalidArgument(f"there is no option {word}; {say(ctx.locale, 'usage')}")
        options[name] = value
    schedule, body = cut(rest)
    bot, chat, sender = place_of(ctx.event)
    return Wish(bot, chat, sender, schedule, body, ctx.event.id, **options)
