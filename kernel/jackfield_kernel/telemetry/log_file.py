"""The kernel's log as a file of JSON lines, so that `jackfield logs` finds it whatever becomes of stderr."""

from __future__ import annotations

import logging
import os
import sys
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from .logs import JsonLines
from .redaction import Redacting, Redactor

MAX_BYTES = 8 << 20
"""Size at which the file is rotated; one older file is kept."""


class LogFile(RotatingFileHandler):
    """Appends every record to a file that only its owner reads, without secrets. A disk that is full costs lines, never the kernel."""

    def __init__(self, path: Path, redactor: Redactor) -> None:
        self._silenced = False
        super().__init__(path, maxBytes=MAX_BYTES, backupCount=1, encoding="utf-8", delay=True)
        self.setFormatter(Redacting(JsonLines(), redactor))

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        return os.fdopen(os.open(self.baseFilename, flags, 0o600), "a", encoding="utf-8")

    def handleError(self, record: logging.LogRecord) -> None:
        """Say once on stderr that lines are lost."""
        if not self._silenced:
            self._silenced = True
            print(f"{self.baseFilename} cannot be written: {sys.exc_info()[1]}", file=sys.stderr)
