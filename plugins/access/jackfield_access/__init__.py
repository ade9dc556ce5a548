"""Who may talk to which bot: allow-lists, tiers, groups and pairing codes, pushed to the kernel as sender sets."""

__version__ = "0.1.0"
