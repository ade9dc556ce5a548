"""Adapter of the kill matrix's platform."""
