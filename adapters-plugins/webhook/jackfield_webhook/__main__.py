"""Runs the adapter: `python -m jackfield_webhook`."""

from jackfield_webhook.adapter import create_plugin

if __name__ == "__main__":
    create_plugin().run()
