"""The local side of OpenAI clients, for the conformance kit."""
