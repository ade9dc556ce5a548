"""A Lark of our own: Open API, long connection, webhooks, files; with faults on demand."""

from tests.platforms.lark.server import APP_ID, APP_SECRET, LarkServer

ENCRYPT_KEY = "an encrypt key"
VERIFICATION_TOKEN = "a verification token"

__all__ = ["APP_ID", "APP_SECRET", "ENCRYPT_KEY", "VERIFICATION_TOKEN", "LarkServer"]
