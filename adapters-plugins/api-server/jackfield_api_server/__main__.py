"""Runs the adapter: `python -m jackfield_api_server`."""

from jackfield_api_server.adapter import create_plugin

if __name__ == "__main__":
    create_plugin().run()
