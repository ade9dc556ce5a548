"""`python -m jackfield_kernel`: the command `jackfield`, by the interpreter that has it installed."""

from .cli.main import main

main()
