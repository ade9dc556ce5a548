"""Ingress: one HTTP listener that verifies the requests of platforms and hands them to their adapters."""

__version__ = "0.1.0"
