"""Runs the adapter: `python -m jackfield_webchat`."""

from jackfield_webchat.adapter import create_plugin

if __name__ == "__main__":
    create_plugin().run()
