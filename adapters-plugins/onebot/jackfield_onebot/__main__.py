"""Runs the adapter: `python -m jackfield_onebot`."""

from jackfield_onebot.adapter import build

if __name__ == "__main__":
    build().run()
