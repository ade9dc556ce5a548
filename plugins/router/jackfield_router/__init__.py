"""The router policy: keeps the rules of every bot and pushes them to the kernel as route tables."""

__version__ = "0.1.0"
