"""Contract version 1."""
