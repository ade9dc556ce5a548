"""Answers every message with itself."""

__version__ = "0.1.0"
