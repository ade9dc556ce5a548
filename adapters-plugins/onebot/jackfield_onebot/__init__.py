"""OneBot v11 for Jackfield: implementations dial in over reverse WebSocket."""

__version__ = "0.1.0"
