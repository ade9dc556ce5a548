"""`python -m jackfield_tools_basic`: how the kernel starts the plugin."""

from jackfield_tools_basic.tools import build

if __name__ == "__main__":
    build().run()
