"""`python -m jackfield_model_demo`: how the kernel starts the plugin."""

from jackfield_model_demo.demo import build

if __name__ == "__main__":
    build().run()
