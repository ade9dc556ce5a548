"""The local side of browsers, for the conformance kit."""
