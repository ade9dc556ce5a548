"""Every field of the contract has a counterpart and survives the way there and back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from jackfield.v1 import event_pb2, message_pb2
from jackfield_sdk import convert, wellknown
from jackfield_sdk.entity import Chat
from jackfield_sdk.event import Event
from jackfield_sdk.message import Mention, Message, Text, Unknown
from jackfield_sdk.pairs import ENUMS, PAIRS
from jackfield_sdk.payload import EVENT_TYPES, MessageReceived

SCALARS: dict[int, Any] = {
    FieldDescriptor.TYPE_STRING: "ü:x",
    FieldDescriptor.TYPE_BYTES: b"\x00\x01",
    FieldDescriptor.TYPE_BOOL: True,
    FieldDescriptor.TYPE_UINT32: 7,
    FieldDescriptor.TYPE_UINT64: 1 << 40,
    FieldDescriptor.TYPE_DOUBLE: 47.5,
    FieldDescriptor.TYPE_ENUM: 1,
}


def fill(descriptor: Descriptor, chosen: str = "") -> Any:
    """A message with every field set; of a oneof the member named `chosen`, else the first."""
    if descriptor.full_name == "google.protobuf.Struct":
        return wellknown.struct_to_proto({"a": [1, 2.5, None, True, {"b": "c"}]})
    if descriptor.full_name == "google.protobuf.Timestamp":
        return wellknown.time_to_proto(datetime(2024, 2, 29, 1, 2, 3, 456789, tzinfo=UTC))
    if descriptor.full_name == "google.protobuf.Duration":
        return wellknown.duration_to_proto(timedelta(seconds=1.25))
    message = GetMessageClass(descriptor)()
    for field in descriptor.fields:
        oneof = field.containing_oneof
        if oneof is not None and len(oneof.fields) > 1:
            names = [f.name for f in oneof.fields]
            if field.name != (chosen if chosen in names else names[0]):
                continue
        if field.type == FieldDescriptor.TYPE_MESSAGE:
            value = fill(field.message_type)
            target = getattr(message, field.name)
            (target.add() if field.is_repeated else target).CopyFrom(value)
        elif field.is_repeated:
            getattr(message, field.name).append(SCALARS[field.type])
        else:
            setattr(message, field.name, SCALARS[field.type])
    return message


def cases() -> list[Any]:
    found = []
    for _, proto_class in PAIRS:
        descriptor = proto_class.DESCRIPTOR
        if descriptor.name == "Address":
            continue
        found.append(pytest.param(descriptor, "", id=descriptor.name))
        for oneof in descriptor.oneofs:
            if len(oneof.fields) > 1:
                found += [
                    pytest.param(descriptor, f.name, id=f"{descriptor.name}.{f.name}") for f in oneof.fields
                ]
    return found


@pytest.mark.parametrize(("descriptor", "chosen"), cases())
def test_every_field_survives_the_way_there_and_back(descriptor: Descriptor, chosen: str) -> None:
    proto = fill(descriptor, chosen=chosen)
    again = convert.to_proto(convert.to_plain(proto))
    assert again == proto


@pytest.mark.parametrize("field", list(message_pb2.Segment.DESCRIPTOR.fields), ids=lambda f: f.name)
def test_every_segment_survives(field: FieldDescriptor) -> None:
    proto = message_pb2.Message(segments=[fill(message_pb2.Segment.DESCRIPTOR, chosen=field.name)])
    assert convert.message_to_proto(convert.message_to_plain(proto)) == proto


@pytest.mark.parametrize(("plain", "proto"), PAIRS, ids=lambda c: c.__name__)
def test_plain_classes_have_exactly_the_fields_of_the_contract(plain: type, proto: type) -> None:
    if plain is Message:
        return
    names = {
        f.name
        for f in proto.DESCRIPTOR.fields
        if f.containing_oneof is None or f.containing_oneof.name != "payload"
    }
    if "payload" in proto.DESCRIPTOR.oneofs_by_name:
        names.add("payload")
    assert set(plain.__dataclass_fields__) == names


def test_enums_have_exactly_the_values_of_the_contract() -> None:
    for _, proto in PAIRS:
        for field in proto.DESCRIPTOR.fields:
            if field.type == FieldDescriptor.TYPE_ENUM:
                enum = field.enum_type
                plain = ENUMS[enum.full_name]
                prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
                assert {v.name.removeprefix(prefix): v.number for v in enum.values} == {
                    m.name: m.value for m in plain
                }


def test_every_payload_has_its_event_type() -> None:
    payloads = event_pb2.Event.DESCRIPTOR.oneofs_by_name["payload"].fields
    classes = {convert._class_of(f) for f in payloads}
    assert {c.__name__ for c in classes - set(EVENT_TYPES)} == {"PlatformEvent", "CustomEvent"}
    for plain, event_type in EVENT_TYPES.items():
        field = next(f for f in payloads if convert._class_of(f) is plain)
        assert event_type.replace(".", "_") == field.name


def test_content_of_a_newer_contract_is_unknown_and_no_error() -> None:
    newer = message_pb2.Segment.FromString(b"\xfa\x3f\x03abc")  # field 1023, which nobody knows here
    message = convert.message_to_plain(message_pb2.Message(segments=[newer]))
    assert message.segments == (Unknown(),)
    event = convert.event_to_plain(event_pb2.Event.FromString(b"\xfa\x3f\x03abc"))
    assert event.payload is None
    odd = message_pb2.Text(text="x", format=99)
    assert convert.to_plain(odd).format.name == "UNSPECIFIED"


def test_large_integers_become_text_and_small_ones_stay_whole() -> None:
    struct = wellknown.struct_to_proto({"big": 2**60, "small": 3, "list": [1]})
    assert wellknown.struct_to_plain(struct) == {"big": str(2**60), "small": 3, "list": [1]}


def test_what_authors_get_wrong_is_named() -> None:
    with pytest.raises(TypeError, match="not a part"):
        convert.message_to_proto(Message([Text("a")]) + Message((Chat(),)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="zone"):
        convert.event_to_proto(Event(time=datetime(2024, 1, 1)))


def test_a_received_message_reads_naturally() -> None:
    message = Message(Mention("7", "Ann"), " hello ", Text("there"))
    event = convert.event_to_plain(
        convert.event_to_proto(Event(payload=MessageReceived("m1", message), chat=Chat.private("7")))
    )
    assert event.text == " hello there"
    assert str(event.message) == "@Ann hello there"
    assert event.message_id == "m1"
    assert event.is_private
    assert event.addresses_bot
