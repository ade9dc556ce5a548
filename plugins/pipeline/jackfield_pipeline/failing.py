"""Stage: what the user is told when there is no answer."""

from __future__ import annotations

from jackfield_sdk import JackfieldError

from jackfield_pipeline.settings import Errors
from jackfield_pipeline.texts import Texts

ERROR, HINT, HIDE = "error", "hint", "hide"
LONGEST = 500


def told(error: JackfieldError, errors: Errors, texts: Texts) -> str:
    """The words for the user; empty where nothing is said. The log has the whole in any case."""
    if errors.show == HIDE:
        return ""
    if errors.show == ERROR:
        return f"{error.reason}: {error.message}"[:LONGEST]
    return errors.hint or texts("failed", reason=error.reason)
