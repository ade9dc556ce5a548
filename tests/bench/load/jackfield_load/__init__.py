"""A load generator as an adapter plugin: every round trip crosses the same borders as a chat message."""
