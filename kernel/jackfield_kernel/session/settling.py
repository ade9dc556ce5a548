"""What an ack may contain: checked before the bus sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from jackfield.v1 import error_pb2, frame_pb2

from ..errors import Refused, problem, to_wire
from ..state.kv import check_writes
from .session import Session

MAX_EMITS = 100


Admit = Callable[[str, Sequence[frame_pb2.KvWrite]], None]
"""Counts the writes of a plugin, or raises Refused QUOTA_EXCEEDED."""


def wrong(session: Session, done: frame_pb2.Done, admit: Admit) -> error_pb2.Error | None:
    """Why an ack is refused; None when it may be committed. The delivery stays leased."""
    if done.writes:
        if not session.grants.has("kv"):
            remedy = f"jackfield plugin grants {session.plugin} --add kv"
            text = f"plugin {session.plugin} lacks the grant kv"
            return problem("GRANT_MISSING", text, remedy=remedy, grant="kv")
        try:
            check_writes(done.writes)
            admit(session.plugin, done.writes)
        except Refused as refusal:
            return to_wire(refusal)
    if len(done.emits) > MAX_EMITS:
        return problem(
            "INVALID_ARGUMENT", f"at most {MAX_EMITS} events are emitted with one ack", field="emits"
        )
    for emit in done.emits:
        if not emit.type.startswith(f"{session.plugin}."):
            text = f"plugin {session.plugin} emits types that begin with {session.plugin!r} and a dot, not {emit.type!r}"
            return problem("INVALID_ARGUMENT", text, field="emits.type")
    return None
