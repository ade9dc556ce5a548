"""Slack, by Socket Mode or the Events API."""

__version__ = "0.1.0"
