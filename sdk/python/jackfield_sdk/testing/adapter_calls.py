"""Adapter requests from plain values and plain answers from responses, for tests."""

from __future__ import annotations

from typing import Any

from google.protobuf.message_factory import GetMessageClass
from jackfield.v1 import adapter_pb2

from jackfield_sdk import convert, wellknown
from jackfield_sdk.pairs import PAIRS

_PAIRED = frozenset(proto.DESCRIPTOR.full_name for _, proto in PAIRS)


def request(api: str, fields: dict[str, Any]) -> tuple[Any, type[Any]]:
    """The request message and the class of the response."""
    method = adapter_pb2.DESCRIPTOR.services_by_name["Adapter"].methods_by_name[api]
    by_name = method.input_type.fields_by_name
    values = {name: convert.value_to_proto(by_name[name], value) for name, value in fields.items()}
    return GetMessageClass(method.input_type)(**values), GetMessageClass(method.output_type)


def answer(response: Any) -> Any:
    """The plain form: of the whole where it has one, else of its first field; None for an empty response."""
    descriptor = response.DESCRIPTOR
    if descriptor.full_name in _PAIRED:
        return convert.to_plain(response)
    if not descriptor.fields:
        return None
    first = descriptor.fields[0]
    if first.has_presence and not response.HasField(first.name):
        return None
    if first.message_type is not None and first.message_type.full_name == "google.protobuf.Struct":
        return wellknown.struct_to_plain(getattr(response, first.name))
    return convert.value_to_plain(first, getattr(response, first.name))
