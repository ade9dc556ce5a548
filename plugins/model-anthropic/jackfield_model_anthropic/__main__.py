"""`python -m jackfield_model_anthropic`: how the kernel starts the plugin."""

from jackfield_model_anthropic.model import build

if __name__ == "__main__":
    build().run()
