"""The decorator of the plain classes: frozen dataclasses that are cheap to define and to build.

Same use and same meaning as `@dataclass(frozen=True)`, and the functions of `dataclasses` work on them. The
standard decorator compiles six functions per class, which for the eighty classes of the contract costs more
than the whole rest of the import; this one compiles one, and objects are built without one checked
assignment per field.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar, dataclass_transform, overload

C = TypeVar("C")


@overload
def plain(cls: type[C]) -> type[C]: ...
@overload
def plain(*, kw_only: bool) -> Callable[[type[C]], type[C]]: ...
@dataclass_transform(frozen_default=True)
def plain(cls: type[C] | None = None, *, kw_only: bool = False) -> Any:
    """Makes a class of annotated fields with defaults a frozen value. `kw_only`: no positional arguments."""
    if cls is None:
        return lambda decorated: _make(decorated, kw_only)
    return _make(cls, kw_only)


def _make(cls: type[C], kw_only: bool) -> type[C]:
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, kw_only=kw_only)(cls)
    names = [field.name for field in dataclasses.fields(made)]
    defaults = {field.name: field.default for field in dataclasses.fields(made)}
    _check(cls, defaults)
    made.__init__ = _init(names, defaults, kw_only)
    made.__repr__, made.__eq__, made.__hash__ = _repr, _eq, _hash
    made.__setattr__ = made.__delattr__ = _frozen
    return cls


def _init(names: list[str], defaults: dict[str, Any], kw_only: bool) -> Any:
    # Written to the instance's dict: no checked assignment per field.
    star = "*, " if kw_only and names else ""
    parameters = ", ".join(f"{name}=_d[{name!r}]" for name in names)
    pairs = ", ".join(f"{name!r}: {name}" for name in names)
    source = f"def __init__(_self, {star}{parameters}):\n _set(_self, '__dict__', {{{pairs}}})"
    space: dict[str, Any] = {"_d": defaults, "_set": object.__setattr__}
    exec(source, space)
    return space["__init__"]


def _check(cls: type[Any], defaults: dict[str, Any]) -> None:
    missing = [name for name, default in defaults.items() if default is dataclasses.MISSING]
    if missing:
        raise TypeError(f"{cls.__name__}: every field of a plain class has a default: {', '.join(missing)}")


def _repr(self: Any) -> str:
    """Leaves out what has its default."""
    fields = dataclasses.fields(self)
    shown = [(f.name, getattr(self, f.name)) for f in fields if getattr(self, f.name) != f.default]
    return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown)})"


def _eq(self: Any, other: object) -> Any:
    return self.__dict__ == other.__dict__ if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash((type(self), *self.__dict__.values()))


def _frozen(self: Any, name: str, value: object = None) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot change {name} of a {type(self).__name__}; use replace()")
