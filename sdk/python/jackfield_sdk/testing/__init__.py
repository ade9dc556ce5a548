"""Tests of plugins without a kernel: `FakeKernel` speaks the real wire over a real socket, with its state
in memory."""

from jackfield_sdk.testing.events import interaction, message
from jackfield_sdk.testing.kernel import FakeKernel, RunningPlugin
from jackfield_sdk.testing.records import Delivered, Outcome, Published, Sent

__all__ = [
    "Delivered",
    "FakeKernel",
    "Outcome",
    "Published",
    "RunningPlugin",
    "Sent",
    "interaction",
    "message",
]
