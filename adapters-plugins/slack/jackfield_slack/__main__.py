"""Runs the adapter: `python -m jackfield_slack`."""

from jackfield_slack.adapter import create_plugin

if __name__ == "__main__":
    create_plugin().run()
