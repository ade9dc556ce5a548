"""The command line against a small Admin service on a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from jackfield.v1 import admin_pb2, admin_pb2_grpc, error_pb2
from jackfield_kernel.cli.main import run
from jackfield_kernel.paths import runtime_paths


@dataclass
class FakeAdmin(admin_pb2_grpc.AdminServicer):
    """Answers each method with what a test put into `answers`, and keeps the requests."""

    answers: dict[str, Any] = field(default_factory=dict)
    requests: list[Message] = field(default_factory=list)

    def __getattribute__(self, name: str) -> Any:
        method = admin_pb2.DESCRIPTOR.services_by_name["Admin"].methods_by_name.get(name)
        if method is None:
            return super().__getattribute__(name)

        def unary(request: Message, context: grpc.ServicerContext) -> Message:
            self.requests.append(request)
            answer = self.answers[name]
            answer = answer(request) if callable(answer) else answer
            if isinstance(answer, error_pb2.Error):
                context.set_trailing_metadata((("jackfield-error-bin", answer.SerializeToString()),))
                context.abort(grpc.StatusCode.NOT_FOUND, answer.message)
            return answer

        def stream(request: Message, context: grpc.ServicerContext) -> Iterator[Message]:
            self.requests.append(request)
            yield from self.answers[name]

        return stream if method.server_streaming else unary


@dataclass
class Result:
    code: int
    out: str
    err: str


@dataclass
class Shell:
    """Runs `jackfield ARGS` in this process."""

    data: Path
    admin: FakeAdmin
    _capture: pytest.CaptureFixture[str]

    def __call__(self, *arguments: str) -> Result:
        code = run(list(arguments))
        shown = self._capture.readouterr()
        return Result(code, shown.out, shown.err)


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory of the test's own."""
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.delenv("JACKFIELD_CONFIG", raising=False)
    monkeypatch.setenv("JACKFIELD_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path / "data"


@pytest.fixture
def alone(environment: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    """A shell on a machine where no kernel runs."""
    yield Shell(environment, FakeAdmin(), capsys)
    runtime = runtime_paths(environment, {}).root
    if not any(runtime.iterdir()):
        runtime.rmdir()


@pytest.fixture
def shell(alone: Shell) -> Iterator[Shell]:
    """A shell beside a kernel whose Admin is `shell.admin`."""
    server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
    admin_pb2_grpc.add_AdminServicer_to_server(alone.admin, server)
    socket = runtime_paths(alone.data, {}).admin_socket
    server.add_insecure_port(f"unix:{socket}")
    server.start()
    yield alone
    server.stop(0).wait()
    socket.unlink(missing_ok=True)


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[[bool], None]:
    """Answer the questions that commands ask."""

    def answer(yes: bool) -> None:
        def confirm(text: str, abort: bool = False) -> bool:
            print(text)
            if abort and not yes:
                raise KeyboardInterrupt
            return yes

        monkeypatch.setattr("typer.confirm", confirm)

    return answer
