"""Sessions: registration, the control stream, framing, bots, and what is installed."""
