"""Discord for Jackfield: bots on the gateway, their calls through the REST API."""

__version__ = "0.1.0"
