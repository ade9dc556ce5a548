"""The local side of OneBot, for the conformance kit."""
