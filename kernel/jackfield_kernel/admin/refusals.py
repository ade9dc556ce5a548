"""Errors of providers as exceptions of Admin: their own reason survives."""

from __future__ import annotations

import grpc
from jackfield.v1 import error_pb2

from ..errors import KernelError

_CODES = {code.value[0]: code for code in grpc.StatusCode}


def refused(error: error_pb2.Error) -> KernelError:
    """The error of a call as an exception."""
    exception = KernelError(error.message, remedy=error.remedy, **dict(error.metadata))
    exception.reason = error.reason
    exception.code = _CODES.get(error.code, grpc.StatusCode.UNKNOWN)
    exception.retryable = error.retryable
    return exception
