"""Random input that is nearly right: that is where parsers go wrong."""

from __future__ import annotations

import copy
import os
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import settings
from hypothesis import strategies as st

LONG = int(os.environ.get("JACKFIELD_EXAMPLES", "0"))
"""So many random examples instead of the same few of every run; see `make fuzz`."""

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-3, 40),
}
_REALS = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}

texts = st.text(max_size=20) | st.sampled_from(
    ["", "b", "echo", "message.received", "\0", "\u202e", "../..", "x" * 5000]
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
"""Anything that JSON can hold, and NaN."""


def examples(short: int) -> settings:
    """Settings of a fuzz test: `short` fixed examples in every run."""
    return settings(max_examples=LONG or short, deadline=None, derandomize=not LONG)


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 4) -> Message:
    """A message with random fields set to random values."""
    made = GetMessageClass(descriptor)()
    fields = [one for one in descriptor.fields if depth or one.message_type is None]
    if not fields:
        return made
    for field in draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda one: one.number)):
        _fill(draw, made, field, depth)
    return made


def _fill(draw: st.DrawFn, made: Message, field: FieldDescriptor, depth: int) -> None:
    if field.message_type is not None:
        if field.message_type.GetOptions().map_entry:
            return
        inner = draw(messages(field.message_type, depth - 1))
        if field.is_repeated:
            getattr(made, field.name).add().CopyFrom(inner)
        else:
            getattr(made, field.name).CopyFrom(inner)
        return
    if field.cpp_type in _INTEGERS:
        value: Any = draw(_INTEGERS[field.cpp_type])
    elif field.cpp_type in _REALS:
        value = draw(st.floats(width=32))
    elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        value = draw(st.booleans())
    elif field.type == FieldDescriptor.TYPE_BYTES:
        value = draw(st.binary(max_size=20))
    else:
        value = draw(texts.filter(lambda text: text.isprintable() or text.isascii()))
    if field.is_repeated:
        getattr(made, field.name).append(value)
    else:
        setattr(made, field.name, value)


@st.composite
def mutated(draw: st.DrawFn, whole: Any) -> Any:
    """The value with one to three of its parts replaced, removed or added to."""
    made = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        place = _place(draw, made)
        if place is None:
            return draw(values)
        holder, key = place
        action = draw(st.sampled_from(["replace", "remove", "add"]))
        if action == "replace":
            holder[key] = draw(values)
        elif action == "remove":
            del holder[key]
        elif isinstance(holder, dict):
            holder[draw(texts)] = draw(values)
        else:
            holder.append(draw(values))
    return made


def _place(draw: st.DrawFn, whole: Any) -> tuple[Any, Any] | None:
    """A random key or index somewhere inside."""
    holder = whole
    while True:
        keys = (
            list(holder)
            if isinstance(holder, dict)
            else list(range(len(holder)) if isinstance(holder, list) else ())
        )
        if not keys:
            return None
        key = draw(st.sampled_from(keys))
        if not isinstance(holder[key], dict | list) or not holder[key] or draw(st.booleans()):
            return holder, key
        holder = holder[key]
