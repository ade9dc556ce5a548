"""The kill matrix: every process of a running system, killed at every step of an event's life, under load, counted from outside."""
