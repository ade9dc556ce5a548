"""OneBot v11 for Jackfield: implementations dial in over reverse WebSocket."""
