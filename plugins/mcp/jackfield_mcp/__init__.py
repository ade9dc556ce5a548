"""Tools of MCP servers."""

__version__ = "0.1.0"
