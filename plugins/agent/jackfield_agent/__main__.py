"""`python -m jackfield_agent`: how the kernel starts the plugin."""

from jackfield_agent.agent import build

if __name__ == "__main__":
    build().run()
