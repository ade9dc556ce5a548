"""Two-way conversion between plain classes and messages of the contract, driven by the descriptors.

A plain class has a field of the same name for every field of its message; the tests fail where one is
missing. Three shapes differ: a `Message` is its segments, a `Segment` or `Control` is the class of what is
set in it, and the payload of an event is one field. What a newer contract adds is ignored, a segment of a
newer contract becomes `Unknown`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from jackfield.v1 import entity_pb2, event_pb2, interactive_pb2, message_pb2

from jackfield_sdk import wellknown
from jackfield_sdk.entity import Chat
from jackfield_sdk.event import Event
from jackfield_sdk.message import Message, Unknown
from jackfield_sdk.pairs import ENUMS, PAIRS

Convert = Callable[[Any], Any]
# Messages that are nothing but a choice: the plain form is the class of what is set.
CHOICES = {"jackfield.v1.Segment": "content", "jackfield.v1.Control": "kind"}
PAYLOAD = "payload"

_WELL_KNOWN: Mapping[str, tuple[Convert, Convert]] = {
    "google.protobuf.Timestamp": (wellknown.time_to_plain, wellknown.time_to_proto),
    "google.protobuf.Duration": (wellknown.duration_to_plain, wellknown.duration_to_proto),
    "google.protobuf.Struct": (wellknown.struct_to_plain, wellknown.struct_to_proto),
}


@dataclass(frozen=True, slots=True)
class Codec:
    """Converts one kind of message."""

    to_plain: Convert
    to_proto: Convert


def event_to_plain(proto: event_pb2.Event) -> Event:
    """The event as authors see it."""
    event: Event = _codecs()["jackfield.v1.Event"].to_plain(proto)
    return event


def event_to_proto(event: Event) -> event_pb2.Event:
    """The event as it crosses the wire. Raises TypeError or ValueError for a value that no field takes."""
    proto: event_pb2.Event = _codecs()["jackfield.v1.Event"].to_proto(event)
    return proto


def message_to_plain(proto: message_pb2.Message) -> Message:
    """The chain as authors see it."""
    message: Message = _codecs()["jackfield.v1.Message"].to_plain(proto)
    return message


def message_to_proto(message: Message) -> message_pb2.Message:
    """The chain as it crosses the wire."""
    proto: message_pb2.Message = _codecs()["jackfield.v1.Message"].to_proto(message)
    return proto


def chat_to_proto(chat: Chat) -> entity_pb2.Chat:
    """The conversation as it stands in the target of a call."""
    proto: entity_pb2.Chat = _codecs()["jackfield.v1.Chat"].to_proto(chat)
    return proto


def to_plain(proto: Any) -> Any:
    """The plain form of any message that has one. Raises KeyError for one that has none."""
    return _codecs()[proto.DESCRIPTOR.full_name].to_plain(proto)


def to_proto(plain: Any) -> Any:
    """The message of any plain object that has one. Raises KeyError for one that has none."""
    return _codecs()[_names_by_class()[type(plain)]].to_proto(plain)


def is_paired(plain: object) -> bool:
    """True when the object's class has a message of its own."""
    return type(plain) in _names_by_class()


def value_to_plain(field: FieldDescriptor, value: Any) -> Any:
    """One field's value, as read from its message."""
    convert = _field_codec(field).to_plain
    return tuple(map(convert, value)) if field.is_repeated else convert(value)


def value_to_proto(field: FieldDescriptor, value: Any) -> Any:
    """One field's value, ready for its message's constructor."""
    convert = _field_codec(field).to_proto
    return [convert(item) for item in value] if field.is_repeated else convert(value)


@functools.cache
def _names_by_class() -> Mapping[type[Any], str]:
    # The first pair of a class wins, so that a class may also be read from a second message.
    return {plain: proto.DESCRIPTOR.full_name for plain, proto in reversed(PAIRS)}


@functools.cache
def _codecs() -> Mapping[str, Codec]:
    codecs: dict[str, Codec] = {}
    for plain_class, proto_class in PAIRS:
        name = proto_class.DESCRIPTOR.full_name
        if plain_class is Message:
            codecs[name] = _message_codec()
        else:
            codecs[name] = Codec(_reader(plain_class, proto_class), _writer(proto_class))
    codecs["jackfield.v1.Segment"] = _choice_codec(message_pb2.Segment.DESCRIPTOR, "content", Unknown)
    codecs["jackfield.v1.Control"] = _choice_codec(interactive_pb2.Control.DESCRIPTOR, "kind", None)
    return codecs


def _same(value: Any) -> Any:
    return value


@functools.cache
def _field_codec(field: FieldDescriptor) -> Codec:
    if field.type == FieldDescriptor.TYPE_ENUM:
        assert field.enum_type is not None
        return _enum_codec(field.enum_type.full_name)
    if field.type != FieldDescriptor.TYPE_MESSAGE:
        return Codec(_same, _same)
    name = _type_name(field)
    if name in _WELL_KNOWN:
        return Codec(*_WELL_KNOWN[name])
    # Looked up late, because messages hold messages that hold messages of the first kind.
    return Codec(lambda v: _codecs()[name].to_plain(v), lambda v: _codecs()[name].to_proto(v))


def _enum_codec(name: str) -> Codec:
    enum = ENUMS[name]
    members: Mapping[int, Any] = {int(member): member for member in enum}
    zero = members[0]
    return Codec(lambda number: members.get(number, zero), int)


def _reader(plain_class: type[Any], proto_class: type[Any]) -> Convert:
    """Scalars are fetched in one go; presence, lists and messages one by one."""
    descriptor = proto_class.DESCRIPTOR
    choice = descriptor.oneofs_by_name.get(PAYLOAD)
    chosen = {f.name: _field_codec(f).to_plain for f in choice.fields} if choice else {}
    fields = [f for f in descriptor.fields if f.containing_oneof is not choice or choice is None]
    scalars = tuple(f.name for f in fields if _is_plain_scalar(f))
    rest = [(f.name, f, _field_codec(f).to_plain) for f in fields if not _is_plain_scalar(f)]
    get = _getter(scalars)
    with_presence = [(name, convert) for name, f, convert in rest if f.has_presence]
    lists = [(name, convert) for name, f, convert in rest if f.is_repeated]
    enums = [(name, convert) for name, f, convert in rest if not f.has_presence and not f.is_repeated]

    defaults = vars(plain_class())
    new, put = object.__new__, object.__setattr__

    def read(proto: Any) -> Any:
        values = defaults.copy()
        values.update(zip(scalars, get(proto), strict=True))
        for name, convert in with_presence:
            if proto.HasField(name):
                values[name] = convert(getattr(proto, name))
        for name, convert in lists:
            items = getattr(proto, name)
            if items:
                values[name] = tuple(map(convert, items))
        for name, convert in enums:
            values[name] = convert(getattr(proto, name))
        if chosen:
            which = proto.WhichOneof(PAYLOAD)
            if which is not None:
                values[PAYLOAD] = chosen[which](getattr(proto, which))
        # Past the constructor, which would only gather the same dict again.
        plain = new(plain_class)
        put(plain, "__dict__", values)
        return plain

    return read


def _getter(names: tuple[str, ...]) -> Convert:
    """All of these fields at once, as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda proto: tuple(getattr(proto, name) for name in names)


def _is_plain_scalar(field: FieldDescriptor) -> bool:
    if field.is_repeated or field.type in (FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_ENUM):
        return False
    return not field.has_presence


def _writer(proto_class: type[Any]) -> Convert:
    descriptor = proto_class.DESCRIPTOR
    choice = descriptor.oneofs_by_name.get(PAYLOAD)
    chosen = {_class_of(f): (f.name, _field_codec(f).to_proto) for f in choice.fields} if choice else {}
    fields = [f for f in descriptor.fields if choice is None or f.containing_oneof is not choice]
    lists = [(f.name, _field_codec(f).to_proto) for f in fields if f.is_repeated]
    singles = [(f.name, _field_codec(f).to_proto, _skips_empty(f)) for f in fields if not f.is_repeated]

    def write(plain: Any) -> Any:
        values: dict[str, Any] = {}
        for name, convert, skips_empty in singles:
            value = getattr(plain, name)
            if value is None or (skips_empty and not value):
                continue
            values[name] = convert(value)
        for name, convert in lists:
            items = getattr(plain, name)
            if items:
                values[name] = [convert(item) for item in _sequence(name, items)]
        if chosen and getattr(plain, PAYLOAD) is not None:
            payload = getattr(plain, PAYLOAD)
            name, convert = chosen[type(payload)]
            values[name] = convert(payload)
        return proto_class(**values)

    return write


def _skips_empty(field: FieldDescriptor) -> bool:
    """Empty text in a oneof means that another member is set; elsewhere an empty value is the default
    anyway."""
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        return False
    real_oneof = field.containing_oneof is not None and len(field.containing_oneof.fields) > 1
    return not field.has_presence or (real_oneof and field.type == FieldDescriptor.TYPE_STRING)


def _sequence(name: str, items: Any) -> Iterable[Any]:
    if isinstance(items, str | bytes):
        raise TypeError(f"{name} takes a list, not {type(items).__name__}")
    iterable: Iterable[Any] = items
    return iterable


def _class_of(field: FieldDescriptor) -> type[Any]:
    return next(p for p, m in PAIRS if m.DESCRIPTOR.full_name == _type_name(field))


def _type_name(field: FieldDescriptor) -> str:
    assert field.message_type is not None
    return field.message_type.full_name


def _message_codec() -> Codec:
    segment = functools.cache(lambda: _codecs()["jackfield.v1.Segment"])

    def read(proto: message_pb2.Message) -> Message:
        return Message.from_segments(tuple(map(segment().to_plain, proto.segments)))

    def write(message: Message) -> message_pb2.Message:
        return message_pb2.Message(segments=[segment().to_proto(part) for part in message.segments])

    return Codec(read, write)


def _choice_codec(descriptor: Descriptor, oneof: str, otherwise: type[Any] | None) -> Codec:
    """`otherwise` stands for content that this version does not know; without one, it is an error of the
    sender."""
    fields = descriptor.oneofs_by_name[oneof].fields
    readers = {f.name: _field_codec(f).to_plain for f in fields}
    writers = {_class_of(f): (f.name, _field_codec(f).to_proto) for f in fields}
    proto_class = GetMessageClass(descriptor)

    def read(proto: Any) -> Any:
        which = proto.WhichOneof(oneof)
        if which is None:
            if otherwise is None:
                raise ValueError(f"{descriptor.name} has nothing set")
            return otherwise()
        return readers[which](getattr(proto, which))

    def write(plain: Any) -> Any:
        entry = writers.get(type(plain))
        if entry is None:
            raise TypeError(f"not a {descriptor.name.lower()}: {plain!r}")
        name, convert = entry
        return proto_class(**{name: convert(plain)})

    return Codec(read, write)
