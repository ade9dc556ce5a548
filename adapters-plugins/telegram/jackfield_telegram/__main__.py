"""Runs the adapter: `python -m jackfield_telegram`."""

from jackfield_telegram.adapter import build

if __name__ == "__main__":
    build().run()
