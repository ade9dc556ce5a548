"""Telegram through the Bot API, by long polling or webhooks."""

__all__: list[str] = []
