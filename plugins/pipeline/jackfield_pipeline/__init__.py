"""Stages around an answer: when to respond, to whom, filters, limits, length and presentation."""

__version__ = "0.1.0"
