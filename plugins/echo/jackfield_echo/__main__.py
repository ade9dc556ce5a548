"""`python -m jackfield_echo`: how the kernel starts the plugin."""

from jackfield_echo.echo import build

if __name__ == "__main__":
    build().run()
