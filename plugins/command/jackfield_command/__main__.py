"""`python -m jackfield_command`: how the kernel starts the plugin."""

from jackfield_command.command import build

if __name__ == "__main__":
    build().run()
