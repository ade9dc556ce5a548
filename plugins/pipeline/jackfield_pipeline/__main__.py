"""`python -m jackfield_pipeline`: how the kernel starts the plugin."""

from jackfield_pipeline.pipeline import build

if __name__ == "__main__":
    build().run()
