"""Runs the adapter: `python -m jackfield_discord`."""

from jackfield_discord.adapter import build

if __name__ == "__main__":
    build().run()
