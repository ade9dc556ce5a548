"""Answers chats and other events by a model with tools and memory."""

__version__ = "0.1.0"
