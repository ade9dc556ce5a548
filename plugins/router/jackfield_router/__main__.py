"""`python -m jackfield_router`: how the kernel starts the plugin."""

from jackfield_router.router import build

if __name__ == "__main__":
    build().run()
