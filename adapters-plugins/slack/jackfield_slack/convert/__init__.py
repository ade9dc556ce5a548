"""Slack's shapes and ours. Pure functions."""
