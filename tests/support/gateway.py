"""Starts a whole product API as a user would: a gateway process over a models file, with tokens from its own issuer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from inference.gateway.identity.local_issuer import LocalIssuer
from inference.ports import free_port
from tests.support.tiny import room_environment

ROW = {"close": 2000.0, "rsi_14": 40.0, "volatility_21": 0.15, "volume_ratio": 1.1}
"""A request of the tiny model."""


class ProductApi:
    """A running gateway.

    Parameters
    ----------
    folder : Path
        Its home, and the models file, lie here.
    models : mapping
        Entries of the models file.
    environment : mapping
        Further environment variables.
    """

    def __init__(
        self, folder: Path, models: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str] | None = None
    ) -> None:
        self.home = folder / "home"
        self.file = folder / "models.json"
        self.write(models)
        self.environment = {**room_environment(), "ARTHAFLOW_HOME": str(self.home), **(environment or {})}
        self.issuer = LocalIssuer(self.home)
        self.issuer.ensure()
        self.start()

    def start(self) -> None:
        """Start the process on a new port."""
        self.port = free_port()
        command = [sys.executable, "-m", "inference.gateway", "--models", str(self.file), "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--reload_seconds", "0.05"]
        self.log = self.file.with_name(f"gateway-{self.port}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=self.environment, stderr=log, stdout=log)
        self.url = f"http://127.0.0.1:{self.port}"
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if httpx.get(f"{self.url}/ready", trust_env=False).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the gateway did not become ready: {self.log.read_text()}")

    def write(self, models: Mapping[str, Mapping[str, Any]]) -> None:
        """Replace the models file as a whole."""
        scratch = self.file.with_name("scratch")
        scratch.write_text(json.dumps({"models": models}))
        scratch.replace(self.file)

    def token(self, role: str = "app", tier: str = "premium", subject: str = "tester", **more: Any) -> str:
        """Return a token."""
        return self.issuer.token(subject, role, tier, **more)

    def client(self, role: str = "app", **claims: Any) -> httpx.Client:
        """Return a client with a token of a role."""
        headers = {"authorization": f"Bearer {self.token(role, **claims)}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60.0, trust_env=False)

    def kill(self) -> None:
        """End the process without a chance to say goodbye."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def product_api(
    folder: Path, models: Mapping[str, Mapping[str, Any]], environment: Mapping[str, str] | None = None
) -> Iterator[ProductApi]:
    """Run a product API until the block ends."""
    running = ProductApi(folder, models, environment)
    try:
        yield running
    finally:
        running.stop()
