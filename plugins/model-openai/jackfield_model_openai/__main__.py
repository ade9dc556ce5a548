"""`python -m jackfield_model_openai`: how the kernel starts the plugin."""

from jackfield_model_openai.model import build

if __name__ == "__main__":
    build().run()
