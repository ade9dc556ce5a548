"""A few tools for agents: the time, notes, and messages to other chats."""

__version__ = "0.1.0"
