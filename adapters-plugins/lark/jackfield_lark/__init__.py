"""Lark and Feishu, by long connection or webhook."""

__version__ = "0.1.0"
