"""The broker: calls from one plugin to another."""
