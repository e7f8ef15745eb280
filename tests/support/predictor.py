"""Starts predictors as processes, as a user would, and stops them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from inference.ports import free_port
from tests.support.tiny import make_tiny_artifact, room_environment


class Predictor:
    """A running predictor process."""

    def __init__(self, artifact: Path, *arguments: str, grpc: bool = False) -> None:
        self.port = free_port()
        self.grpc_port = free_port() if grpc else 0
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "inference.predictor", "--artifact", str(artifact), "--host", "127.0.0.1"]
        command += ["--http_port", str(self.port), *(["--grpc_port", str(self.grpc_port)] if grpc else []), *arguments]
        self.process = subprocess.Popen(command, env=room_environment(), stderr=subprocess.PIPE, text=True)

    def wait_ready(self, timeout: float = 60.0) -> None:
        """Wait until the server says that it is ready."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"predictor ended: {self.process.stderr and self.process.stderr.read()}")
            try:
                if httpx.get(f"{self.url}/v2/health/ready", timeout=5.0).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError("predictor did not become ready")

    def stop(self) -> tuple[int, str]:
        """Send SIGTERM; return the exit code and what was written to stderr."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, told = self.process.communicate(timeout=60)
        return self.process.returncode, told


@contextmanager
def predictor(artifact: Path, *arguments: str, grpc: bool = False) -> Iterator[Predictor]:
    """Run a predictor until the block ends."""
    running = Predictor(artifact, *arguments, grpc=grpc)
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


@contextmanager
def tiny_predictor(folder: Path, version: str = "4") -> Iterator[Predictor]:
    """Train the tiny model into ``folder/artifact`` and run its predictor until the block ends."""
    make_tiny_artifact(folder / "artifact")
    with predictor(folder / "artifact", "--model_name", "tiny", "--model_version", version) as running:
        yield running
