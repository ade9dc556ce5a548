"""Errors of the journal.

KernelError
└── JournalError
    ├── JournalLocked    JOURNAL_LOCKED     another kernel holds it
    ├── JournalTooNew    JOURNAL_TOO_NEW    written by a newer kernel
    ├── Fenced           FENCED             another kernel took the journal over
    ├── GroupRefused     GROUP_REFUSED      the group breaks the contract; it left no trace
    └── JournalFailed    DISK_FULL, READ_ONLY, CORRUPT, ...   the storage failed
"""

from __future__ import annotations

import grpc

from jackfield_kernel.errors import KernelError

REMEDIES: dict[str, str] = {
    "DISK_FULL": "Free space on the disk of the data directory, or raise the bound of the journal.",
    "READ_ONLY": "Make the data directory writable for the user that runs the kernel.",
    "CANNOT_OPEN": "Create the data directory and make it writable for the user that runs the kernel.",
    "CORRUPT": "Stop the kernel and `jackfield restore` the last backup; the damaged journal is kept beside it.",
    "NOT_A_JOURNAL": "Point the kernel at another data directory; this file belongs to another program.",
    "IO_ERROR": "Check the disk; restart the kernel once it is sound.",
    "WRITER_LOST": "Restart the kernel; everything it acknowledged is in the journal.",
    "CLOSED": "Open the journal first.",
    "BACKUP_EXISTS": "Name a file that does not exist.",
    "NOT_SUPPORTED": "Use a journal on disk.",
}
"""What to do, by the reason of a `JournalFailed`. The keys are all the reasons that exist."""


class JournalError(KernelError):
    """Parent of all errors of the journal."""

    reason = "JOURNAL_ERROR"
    code = grpc.StatusCode.UNAVAILABLE


class JournalLocked(JournalError):
    """Another kernel (process `pid`; 0 when unknown) holds the journal."""

    reason = "JOURNAL_LOCKED"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, pid: int) -> None:
        super().__init__(
            f"the journal is held by another kernel (pid {pid or 'unknown'})",
            remedy="Stop that kernel, or give this one another data directory.",
        )
        self.pid = pid


class JournalTooNew(JournalError):
    """The journal has schema version `found`; this kernel knows versions up to `supported`."""

    reason = "JOURNAL_TOO_NEW"
    code = grpc.StatusCode.FAILED_PRECONDITION

    def __init__(self, found: int, supported: int) -> None:
        super().__init__(
            f"the journal has schema version {found}; this kernel supports versions up to {supported}",
            remedy=f"Run the newer kernel, or put journal.db.v{supported}.backup, made before the upgrade, in its place.",
        )
        self.found = found
        self.supported = supported


class Fenced(JournalError):
    """Another kernel opened the journal since; this one must stop. Nothing of the group was written."""

    reason = "FENCED"
    code = grpc.StatusCode.ABORTED

    def __init__(self) -> None:
        super().__init__(
            "another kernel took over the journal", remedy="Find out which of the two kernels should run."
        )


class GroupRefused(JournalError):
    """The group breaks the contract (too large, a value of a wrong type). Nothing of it was written."""

    reason = "GROUP_REFUSED"
    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(self, message: str) -> None:
        super().__init__(
            message, remedy="Report this: the kernel built a group that the journal cannot take."
        )


class JournalFailed(JournalError):
    """The storage failed; `reason` is a key of `REMEDIES`.

    Whether a group that failed with `IO_ERROR` or `WRITER_LOST` is durable is unknown until the next open.
    `DISK_FULL` is retryable and left nothing behind.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}", remedy=REMEDIES[reason])
        self.reason = reason
        self.retryable = reason == "DISK_FULL"
