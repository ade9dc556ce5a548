"""Answers by an assistant elsewhere: Dify, n8n, or anything that answers over HTTP."""

__version__ = "0.1.0"
