"""Runs the plugin: `python -m jackfield_example_echo`."""

from jackfield_example_echo import plugin

plugin.run()
