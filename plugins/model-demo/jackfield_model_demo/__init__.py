"""A model without a mind: by fixed rules, so that an agent can be tried without a key."""

__version__ = "0.1.0"
