"""The local side of a program of one's own, for the conformance kit."""
