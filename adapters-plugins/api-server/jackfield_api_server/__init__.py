"""API server: programs that speak to an OpenAI model speak to a bot instead."""

__version__ = "0.1.0"
