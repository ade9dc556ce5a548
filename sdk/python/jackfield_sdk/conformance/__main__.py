"""`python -m jackfield_sdk.conformance adapter ...`, where no kernel is installed that brings the command `jackfield`."""

from jackfield_sdk.commands.conformance import conformance

conformance(prog_name="python -m jackfield_sdk.conformance")
