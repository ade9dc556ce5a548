"""What the contract says about a method: its shape and the grant that opens it. Read from descriptors, for services of any plugin."""

from __future__ import annotations

from typing import NamedTuple

from jackfield.v1 import (
    access_pb2,
    adapter_pb2,
    command_pb2,
    conversation_pb2,
    ingress_pb2,
    kernel_pb2,
    model_pb2,
    router_pb2,
    sandbox_pb2,
    tool_pb2,
)


class Method(NamedTuple):
    """One method of the contract.

    Attributes:
        path: `/package.Service/Method`.
        service: `package.Service`.
        access: the class of access that opens it.
        server_streaming: its responses are a stream.
    """

    path: str
    service: str
    access: access_pb2.Access.ValueType
    server_streaming: bool


def _known() -> dict[str, Method]:
    files = (
        adapter_pb2,
        command_pb2,
        conversation_pb2,
        ingress_pb2,
        kernel_pb2,
        model_pb2,
        router_pb2,
        sandbox_pb2,
        tool_pb2,
    )
    methods: dict[str, Method] = {}
    for file in files:
        for service in file.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                path = f"/{service.full_name}/{method.name}"
                access = method.GetOptions().Extensions[access_pb2.access]
                methods[path] = Method(path, service.full_name, access, method.server_streaming)
    return methods


METHODS = _known()


def method_of(path: str) -> Method | None:
    """The method of a path; None when the path has not the form `/package.Service/Method`.

    A service that is not part of the contract is opened by a `call:` grant alone.
    """
    known = METHODS.get(path)
    if known is not None:
        return known
    slash, _, rest = path.partition("/")
    service, _, name = rest.partition("/")
    if slash or not service or not name or "/" in name:
        return None
    return Method(path, service, access_pb2.ACCESS_UNSPECIFIED, False)
