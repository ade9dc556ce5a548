"""`python -m jackfield_webhook_handler`: how the kernel starts the plugin."""

from jackfield_webhook_handler.handler import build

if __name__ == "__main__":
    build().run()
