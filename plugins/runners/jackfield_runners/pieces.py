"""What comes of a question, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Delta:
    """The next characters of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Whole:
    """The whole text so far; what came before does not count."""

    text: str


@dataclass(frozen=True, slots=True)
class Conversation:
    """The conversation in which the other side keeps this."""

    id: str


@dataclass(frozen=True, slots=True)
class Link:
    """A file of the answer, at an address. `kind` is `image`, `audio`, `video` or anything else."""

    kind: str
    url: str
    name: str = ""


Piece = Delta | Whole | Conversation | Link
