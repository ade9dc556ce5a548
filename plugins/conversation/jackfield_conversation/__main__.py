"""`python -m jackfield_conversation`: how the kernel starts the plugin."""

from jackfield_conversation.conversation import build

if __name__ == "__main__":
    build().run()
