"""Telegram through the Bot API, by long polling."""

__all__: list[str] = []
