"""`python -m jackfield_mcp`: how the kernel starts the plugin."""

from jackfield_mcp.servicer import build

if __name__ == "__main__":
    build().run()
