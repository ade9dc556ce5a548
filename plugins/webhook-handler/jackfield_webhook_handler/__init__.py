"""Events to a URL of the operator's, and what its answer asks for."""

__version__ = "0.1.0"
