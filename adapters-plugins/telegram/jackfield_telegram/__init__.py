"""Telegram through the Bot API, by long polling or webhooks."""

__version__ = "0.1.0"
