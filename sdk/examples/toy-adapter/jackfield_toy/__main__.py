"""Runs the toy adapter: `python -m jackfield_toy`."""

from jackfield_toy.adapter import plugin

if __name__ == "__main__":
    plugin.run()
