"""Lark's shapes and ours. Pure functions."""
