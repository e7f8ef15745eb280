"""Drives headless Chromium over the DevTools protocol: enough to load a page, point at it, and ask what it shows."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import urlopen

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)


def find_chromium() -> str | None:
    """Return the browser's path, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Browser:
    """One page in a browser of its own.

    Parameters
    ----------
    profile : Path
        An empty folder for the browser's profile.
    width, height : int
        Size of the window, CSS pixels.
    """

    def __init__(self, profile: Path, width: int = 1200, height: int = 900) -> None:
        self.profile, self.size = profile, (width, height)
        self.messages: list[dict[str, Any]] = []
        self.number = 0

    def __enter__(self) -> Self:
        import websocket

        binary = find_chromium()
        assert binary is not None
        window = f"--window-size={self.size[0]},{self.size[1]}"
        command = [binary, *FLAGS, window, f"--user-data-dir={self.profile}", "about:blank"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        port_file = self.profile / "DevToolsActivePort"
        self.wait_for(lambda: port_file.exists() and port_file.read_text().count("\n") >= 1)
        port = port_file.read_text().split("\n")[0]
        with urlopen(f"http://127.0.0.1:{port}/json/list") as answer:
            page = next(target for target in json.load(answer) if target["type"] == "page")
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=30)
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()
        self.process.terminate()
        self.process.wait(timeout=20)

    @staticmethod
    def wait_for(condition: Any, seconds: float = 30.0) -> None:
        """Wait until ``condition()`` is true."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "the browser did not get there in time"
            time.sleep(0.05)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call the protocol and return its result; events that arrive meanwhile are kept."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == self.number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self.messages.append(message)

    def open(self, path: Path) -> None:
        """Load a file and wait until it is complete."""
        self.send("Page.navigate", url=path.resolve().as_uri())
        self.wait_for(
            lambda: self.ask("document.readyState") == "complete" and self.ask("location.protocol") == "file:"
        )

    def ask(self, expression: str) -> Any:
        """Evaluate JavaScript in the page."""
        result = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def point_at(self, selector: str, x: float = 0.5, y: float = 0.5) -> None:
        """Move the pointer over an element, at the given share of its size."""
        self.ask(f"document.querySelector({selector!r}).scrollIntoView({{block: 'center', behavior: 'instant'}})")
        rectangle = f"document.querySelector({selector!r}).getBoundingClientRect()"
        box = [self.ask(f"{rectangle}.{side}") for side in ("x", "y", "width", "height")]
        left, top, width, height = box
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=left + x * width, y=top + y * height)

    def press(self, key: str) -> None:
        """Press and release a key."""
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    def resize(self, width: int, height: int) -> None:
        """Change the window."""
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 700
        )

    def scheme(self, name: str) -> None:
        """Prefer ``light`` or ``dark``."""
        self.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def screenshot(self, path: Path) -> None:
        """Save what the window shows."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"]))

    def complaints(self) -> list[str]:
        """Errors that the page logged, and requests that left the file."""
        self.ask("0")
        out = []
        for message in self.messages:
            parameters = message.get("params", {})
            if message.get("method") == "Runtime.exceptionThrown":
                out.append(str(parameters["exceptionDetails"]))
            if message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
                out.append(str(parameters["entry"]["text"]))
            if message.get("method") == "Network.requestWillBeSent" and not parameters["request"]["url"].startswith(
                ("file:", "about:", "data:")
            ):
                out.append(f"request to {parameters['request']['url']}")
        return out
