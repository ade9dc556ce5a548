"""Webhook: any program speaks with a bot by signed HTTP requests, and is answered by signed HTTP requests."""

__version__ = "0.1.0"
