"""`python -m tests.chaos.matrix.victim VICTIM STEP EVERY SEED MODULE [ARGUMENTS]`: runs a module with one fail point."""

from __future__ import annotations

import runpy
import sys

from .failpoints import install


def main() -> None:
    """Install the point, then become the module."""
    victim, step, every, seed, module, *arguments = sys.argv[1:]
    install(victim, step, int(every), int(seed))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


main()
