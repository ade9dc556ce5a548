"""`python -m jackfield_access`: how the kernel starts the plugin."""

from jackfield_access.access import build

if __name__ == "__main__":
    build().run()
