"""Sessions by generation: while a plugin is upgraded two processes of it are attached, and one of them serves.

instance   a plugin's generation: `echo`, or `echo~2` beside it; the two names take turns
serving    the generation that gets new deliveries and calls
"""

from __future__ import annotations

from collections.abc import Iterator

from .session import Session


class Sessions:
    """All attached sessions, at most one per instance."""

    def __init__(self) -> None:
        self._attached: dict[str, Session] = {}
        self._serving: dict[str, str] = {}

    def __iter__(self) -> Iterator[Session]:
        return iter(self._attached.values())

    def serving(self, plugin: str) -> Session | None:
        """The session that serves for the plugin."""
        return self._attached.get(self._serving.get(plugin, plugin))

    def of(self, instance: str) -> Session | None:
        """The session of one generation."""
        return self._attached.get(instance)

    def serves(self, session: Session) -> bool:
        """Whether new work goes to this session, once it is ready."""
        return self._serving.get(session.plugin, session.plugin) == session.instance

    def add(self, session: Session) -> None:
        """A session attached."""
        self._attached[session.instance] = session

    def remove(self, session: Session) -> bool:
        """A session ended; False when it was known to have ended."""
        if self._attached.get(session.instance) is not session:
            return False
        del self._attached[session.instance]
        return True

    def promote(self, plugin: str, instance: str) -> None:
        """From now on `instance` serves for the plugin."""
        self._serving[plugin] = instance
