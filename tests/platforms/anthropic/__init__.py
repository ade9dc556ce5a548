"""A local server that speaks Anthropic's Messages wire, and the model plugin against it."""
