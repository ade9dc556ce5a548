"""Jackfield's kernel: finds and supervises plugins, carries events and calls between them, loses none."""

__version__ = "0.1.0"
