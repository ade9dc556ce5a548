"""Jobs by the clock: messages, reminders, and events for a handler such as the agent."""

__version__ = "0.1.0"
