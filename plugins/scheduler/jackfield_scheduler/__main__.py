"""`python -m jackfield_scheduler`: how the kernel starts the plugin."""

from jackfield_scheduler.scheduler import build

if __name__ == "__main__":
    build().run()
