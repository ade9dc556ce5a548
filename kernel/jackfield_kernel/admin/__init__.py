"""The Admin API: the only door of the command line and of the web UI."""
