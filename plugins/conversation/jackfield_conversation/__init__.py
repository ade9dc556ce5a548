"""Memory of conversations: what was said, found again, resumed, exported and erased."""

__version__ = "0.1.0"
