"""The echo on NoneBot2 with its FastAPI driver and OneBot adapter: `python nonebot_echo.py PORT`."""

from __future__ import annotations

import sys

import nonebot
from nonebot.adapters.onebot.v11 import Adapter, MessageEvent

nonebot.init(host="127.0.0.1", port=int(sys.argv[1]), driver="~fastapi", log_level="WARNING")
nonebot.get_driver().register_adapter(Adapter)
matcher = nonebot.on_message()


@matcher.handle()
async def echo(event: MessageEvent) -> None:
    """Answers every message with itself."""
    await matcher.send(event.message)


if __name__ == "__main__":
    nonebot.run(access_log=False)
