"""Answers of this plugin's own commands. Plain text: every platform shows it."""

from __future__ import annotations

from collections.abc import Callable

from jackfield.v1 import frame_pb2, kernel_pb2

from jackfield_command.request import HELP, STATUS, WHOAMI, Request
from jackfield_command.texts import Texts

_ACTIVE = "ACTIVE"


def help_text(request: Request) -> str:
    """All commands that the user may use, or one in full."""
    wanted = request.typed.args.split()
    if wanted:
        return _explained(request, wanted[0].removeprefix(request.prefix).lower())
    lines = [
        f"{request.usage_of(command)} - {request.about(command)}"
        for name, command in sorted(request.listing.by_name.items())
        if name not in request.hidden
    ]
    texts = request.texts
    return "\n".join([texts("help_title"), *lines, texts("help_more", prefix=request.prefix)])


def unknown_text(request: Request, name: str) -> str:
    """There is no such command; these are near."""
    texts = request.texts
    lines = [texts("unknown", command=request.shown(name))]
    if near := request.listing.nearest(name, request.hidden):
        lines.append(texts("nearest", names=", ".join(map(request.shown, near))))
    lines.append(texts("see_help", prefix=request.prefix))
    return "\n".join(lines)


def status_text(request: Request) -> str:
    """Plugins and bots: those in order on one line, then each other one with its state and reason."""
    texts = request.texts
    plugins = [(one.name, _trouble(one.state, one.reason)) for one in request.catalog.plugins]
    bots = [
        (one.name, _trouble(_state_of(one), one.reason) if one.enabled else texts("disabled"))
        for one in request.catalog.bots
    ]
    collisions = [
        texts("collision", name=one.name, kept=one.kept.full_name, other=request.shown(one.other.full_name))
        for one in request.listing.collisions
    ]
    return "\n".join(
        [
            *_block(texts("plugins"), plugins, texts),
            *_block(texts("bots"), bots, texts),
            *([texts("collisions"), *collisions] if collisions else []),
        ]
    )


def whoami_text(request: Request) -> str:
    """The ids that rules, sender sets and administrators are written with."""
    texts, event = request.texts, request.event
    lines = [f"{texts('bot')}: {event.bot}" + (f" ({event.platform})" if event.platform else "")]
    if event.chat is not None:
        kind = event.chat.type.name.lower()
        lines.append(f"{texts('chat')}: {event.chat.id} ({kind})")
        if event.chat.thread_id:
            lines.append(f"{texts('thread')}: {event.chat.thread_id}")
    if event.sender is not None:
        name = event.sender.nickname or event.sender.username
        lines.append(f"{texts('sender')}: {event.sender.id}" + (f" ({name})" if name else ""))
    lines.append(f"{texts('lane')}: {event.bot}:{event.chat if event.chat is not None else 'subject:'}")
    return "\n".join(lines)


ANSWERS: dict[str, Callable[[Request], str]] = {
    HELP.name: help_text,
    STATUS.name: status_text,
    WHOAMI.name: whoami_text,
}
"""How each own command is answered."""


def _explained(request: Request, name: str) -> str:
    command = request.listing.find(name)
    if command is None or not request.may(command):
        return unknown_text(request, name)
    texts = request.texts
    lines = [request.about(command), texts("usage", usage=request.usage_of(command))]
    if command.aliases:
        lines.append(texts("aliases", names=", ".join(map(request.shown, command.aliases))))
    if command.plugin:
        lines.append(texts("offered_by", plugin=command.plugin))
    if command.admin:
        lines.append(texts("admins_only"))
    return "\n".join(lines)


def _state_of(bot: kernel_pb2.CatalogBot) -> str:
    return frame_pb2.BotState.Name(bot.state).removeprefix("BOT_STATE_")


def _trouble(state: str, reason: str) -> str:
    """Empty when there is none."""
    if state == _ACTIVE:
        return ""
    return f"{state} ({reason})" if reason else state


def _block(title: str, entries: list[tuple[str, str]], texts: Texts) -> list[str]:
    fine = [name for name, trouble in entries if not trouble]
    troubles = [f"  {name}: {trouble}" for name, trouble in entries if trouble]
    return [f"{title} ({len(fine)}/{len(entries)}): {', '.join(fine) or texts('none')}", *troubles]
