"""Runs the adapter: `python -m jackfield_lark`."""

from jackfield_lark.adapter import create_plugin

if __name__ == "__main__":
    create_plugin().run()
