"""Web chat: a page in the browser, its WebSocket, and the adapter behind them."""
