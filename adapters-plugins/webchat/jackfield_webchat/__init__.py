"""Web chat: a page in the browser, its WebSocket, and the adapter behind them."""

__version__ = "0.1.0"
