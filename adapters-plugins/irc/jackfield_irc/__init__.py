"""IRC for Jackfield."""

__version__ = "0.1.0"
