"""Sub-commands of `jackfield` that the SDK brings along (entry points group `jackfield.commands`)."""

from jackfield_sdk.commands.new import new

__all__ = ["new"]
