"""Local servers that play the platforms, one folder each."""
