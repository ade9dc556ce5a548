"""A local server that speaks the OpenAI wire, and the model plugin against it."""
