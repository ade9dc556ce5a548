"""The answer while it grows: bounded, and without thoughts where these are not wanted."""

from __future__ import annotations

from jackfield_sdk import ContentTooLarge

from jackfield_runners import thinking
from jackfield_runners.pieces import Delta, Link, Piece, Whole

LARGEST_TEXT = 1024 * 1024
MOST_LINKS = 8


class Answer:
    """Text and files of one answer."""

    def __init__(self, remove_think: bool = False) -> None:
        self._parts: list[str] = []
        self._size = 0
        self._remove_think = remove_think
        self.links: list[Link] = []
        self.conversation_id = ""

    def add(self, piece: Piece) -> None:
        """The next piece. Raises ContentTooLarge above 1 MiB of text; what came before stands."""
        if isinstance(piece, Link):
            if len(self.links) < MOST_LINKS and piece not in self.links:
                self.links.append(piece)
        elif isinstance(piece, Whole):
            self._parts, self._size = [], 0
            self._grow(piece.text)
        elif isinstance(piece, Delta):
            self._grow(piece.text)
        else:
            self.conversation_id = piece.id

    def _grow(self, text: str) -> None:
        data = text.encode(errors="replace")
        room = LARGEST_TEXT - self._size
        self._size += len(data)
        if self._size > LARGEST_TEXT:
            self._parts.append(data[:room].decode(errors="ignore"))
            self._size = LARGEST_TEXT
            raise ContentTooLarge(f"the answer is above {LARGEST_TEXT} bytes of text")
        self._parts.append(data.decode())

    @property
    def begun(self) -> bool:
        """Whether anything came that a user could see."""
        return bool(self._size or self.links)

    def shown(self) -> str:
        """What may be shown so far."""
        text = self._joined()
        return thinking.without_thoughts(text) if self._remove_think else text

    def text(self) -> str:
        """The text, which grows no more."""
        text = self._joined()
        return thinking.settled(text) if self._remove_think else text

    def _joined(self) -> str:
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""
