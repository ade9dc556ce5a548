"""`python -m jackfield_notices`: how the kernel starts the plugin."""

from jackfield_notices.notices import build

if __name__ == "__main__":
    build().run()
