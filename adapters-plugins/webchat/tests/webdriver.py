"""Chromium by the WebDriver protocol, with nothing but the standard library."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ENTER, SHIFT, RELEASE = "\ue007", "\ue008", "\ue000"


def missing() -> str:
    """What a browser test lacks on this machine; empty when nothing."""
    names = ("chromium", "chromedriver")
    return ", ".join(name for name in names if shutil.which(name) is None)


class Page:
    """One browser window. Everything blocks: call it from a thread."""

    def __init__(self, folder: Path, *, language: str = "en", width: int = 900, height: int = 760) -> None:
        self._driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._driver.stdout is not None
        line = next(line for line in self._driver.stdout if "started successfully on port" in line)
        port = re.findall(r"port (\d+)", line)[0]
        self._address = f"http://127.0.0.1:{port}/session"
        options = {
            "binary": shutil.which("chromium"),
            "args": [
                *FLAGS,
                f"--user-data-dir={folder}",
                f"--window-size={width},{height}",
                f"--lang={language}",
            ],
            "prefs": {"intl.accept_languages": language},
        }
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}}
        self._address += "/" + self._ask("POST", "", wanted)["sessionId"]
        self._ask("POST", "/timeouts", {"implicit": 8000, "script": 8000})

    def __enter__(self) -> Page:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._ask("DELETE", "")
        finally:
            self._driver.terminate()
            self._driver.wait()
            assert self._driver.stdout is not None
            self._driver.stdout.close()

    def open(self, url: str) -> None:
        self._ask("POST", "/url", {"url": url})

    def keys(self, selector: str, text: str) -> None:
        self._ask("POST", f"/element/{self._find(selector)}/value", {"text": text})

    def click(self, selector: str) -> None:
        self._ask("POST", f"/element/{self._find(selector)}/click", {})

    def text(self, selector: str) -> str:
        return str(self._ask("GET", f"/element/{self._find(selector)}/text"))

    def run(self, script: str) -> Any:
        return self._ask("POST", "/execute/sync", {"script": script, "args": []})

    def wait(self, condition: str) -> None:
        """Waits until a JavaScript expression holds; the browser looks at each frame."""
        script = (
            "const done = arguments[0];"
            f"const look = () => ({condition}) ? done(true) : requestAnimationFrame(look); look();"
        )
        self._ask("POST", "/execute/async", {"script": script, "args": []})

    def device(self, command: str, parameters: dict[str, Any]) -> None:
        """A command of the DevTools protocol."""
        self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def screenshot(self, file: Path) -> None:
        file.write_bytes(base64.b64decode(self._ask("GET", "/screenshot")))

    def _find(self, selector: str) -> str:
        found = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        return str(found[ELEMENT])

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self._address + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(error.read().decode()[:600]) from None
