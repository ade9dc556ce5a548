"""Times, durations and JSON objects, to and from their protobuf forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.struct_pb2 import ListValue, Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# Above this a double loses digits; the contract writes such integers as decimal strings.
LARGEST_INTEGER = 2**53


def time_to_plain(proto: Timestamp) -> datetime:
    """An aware datetime in UTC, in microseconds."""
    return EPOCH + timedelta(seconds=proto.seconds, microseconds=proto.nanos // 1000)


def time_to_proto(time: datetime) -> Timestamp:
    """A naive datetime is refused with ValueError: nobody knows what it means."""
    if time.tzinfo is None:
        raise ValueError("a time needs a zone: datetime.now(UTC)")
    since = time - EPOCH
    return Timestamp(seconds=since.days * 86_400 + since.seconds, nanos=since.microseconds * 1000)


def duration_to_plain(proto: Duration) -> timedelta:
    """Exact to the microsecond."""
    return timedelta(seconds=proto.seconds, microseconds=proto.nanos / 1000)


def duration_to_proto(duration: timedelta) -> Duration:
    """Seconds and nanoseconds carry one sign, as protobuf asks."""
    seconds, rest = divmod(abs(duration), timedelta(seconds=1))
    sign = -1 if duration < timedelta() else 1
    return Duration(seconds=sign * seconds, nanos=sign * rest.microseconds * 1000)


def seconds_to_proto(seconds: float) -> Duration:
    """A duration of so many seconds."""
    return duration_to_proto(timedelta(seconds=seconds))


def struct_to_plain(proto: Struct) -> dict[str, Any]:
    """A JSON object; whole numbers become int."""
    return {key: _value_to_plain(value) for key, value in proto.fields.items()}


def _value_to_plain(value: Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return struct_to_plain(value.struct_value)
    if kind == "list_value":
        return [_value_to_plain(item) for item in value.list_value.values]
    return None


def struct_to_proto(plain: Mapping[str, Any]) -> Struct:
    """Accepts what JSON knows; raises TypeError for anything else."""
    return Struct(fields={str(key): _value_to_proto(value) for key, value in plain.items()})


def _value_to_proto(value: Any) -> Value:
    if value is None:
        return Value(null_value=0)  # type: ignore[arg-type]
    if isinstance(value, str):
        return Value(string_value=value)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return Value(string_value=str(value))
    if isinstance(value, int | float):
        return Value(number_value=value)
    if isinstance(value, Mapping):
        return Value(struct_value=struct_to_proto(value))
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return Value(list_value=ListValue(values=[_value_to_proto(item) for item in value]))
    raise TypeError(f"no JSON value: {type(value).__name__}")
