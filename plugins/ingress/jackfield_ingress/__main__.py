"""Runs the plugin: `python -m jackfield_ingress`."""

from jackfield_ingress.ingress import build

if __name__ == "__main__":
    build().run()
