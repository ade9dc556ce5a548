"""`python -m jackfield_runners`: how the kernel starts the plugin."""

from jackfield_runners.runners import build

if __name__ == "__main__":
    build().run()
