"""The echo on the bare aiocqhttp library: `python aiocqhttp_echo.py PORT`."""

from __future__ import annotations

import sys

import uvicorn
from aiocqhttp import CQHttp, Event

bot = CQHttp()


@bot.on_message
async def echo(event: Event) -> None:
    """Answers every message with itself."""
    await bot.send(event, event.message)


if __name__ == "__main__":
    uvicorn.run(bot.asgi, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
