"""Tells a chat of the operator what needs attention."""

__version__ = "0.1.0"
