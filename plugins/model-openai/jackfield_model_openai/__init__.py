"""Models behind the OpenAI interface: of OpenAI, of any other provider that speaks it, or of a server of your own."""

__version__ = "0.1.0"
