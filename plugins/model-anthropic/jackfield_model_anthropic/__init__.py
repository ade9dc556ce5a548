"""Claude models by Anthropic's Messages interface, of Anthropic or of a gateway that speaks it."""

__version__ = "0.1.0"
