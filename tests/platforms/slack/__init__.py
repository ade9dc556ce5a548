"""A Slack of our own: Web API, Socket Mode, Events API, files; with faults on demand."""

from tests.platforms.slack.server import BOT_TOKEN, SIGNING_SECRET, SlackServer

APP_TOKEN = "xapp-1-A1-1-test"

__all__ = ["APP_TOKEN", "BOT_TOKEN", "SIGNING_SECRET", "SlackServer"]
