"""`python -m jackfield_irc`: how the kernel starts the plugin."""

from jackfield_irc.adapter import build

if __name__ == "__main__":
    build().run()
