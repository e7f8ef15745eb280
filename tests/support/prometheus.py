"""A real Prometheus over recorded scrapes: ``promtool`` writes them as blocks, and Prometheus serves them."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from inference.ports import free_port

PROMETHEUS, PROMTOOL = shutil.which("prometheus") or "", shutil.which("promtool") or ""

needs_prometheus = pytest.mark.skipif(
    not (PROMETHEUS and PROMTOOL), reason="no prometheus and promtool; `make setup-test` installs them"
)


class Recording:
    """Scrapes of pods, as Prometheus would have stored them."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def scrape(self, at: float, text: str, **labels: str) -> None:
        """Store what ``/metrics`` said at a time, with the labels that a target has."""
        told = ",".join(f'{name}="{value}"' for name, value in labels.items())
        for line in text.splitlines():
            if line and not line.startswith("#") and "_created" not in line:
                series, value = line.rsplit(" ", 1)
                name, _, own = series.partition("{")
                self._lines.append(f"{name}{{{told}{',' if own else '}'}{own} {value} {at}")

    def write_blocks(self, directory: Path) -> None:
        """Write a Prometheus data directory."""
        recorded = directory.with_suffix(".om")
        recorded.write_text("\n".join([*self._lines, "# EOF\n"]))
        promtool("tsdb", "create-blocks-from", "openmetrics", str(recorded), str(directory))


def promtool(*arguments: str) -> str:
    """Run promtool; a failure is the test's failure, with promtool's words."""
    done = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@contextmanager
def prometheus(data: Path) -> Iterator[str]:
    """Run Prometheus over a data directory until the block ends; yield its address."""
    port = free_port()
    config = data.with_suffix(".yml")
    config.write_text("global: {}\n")
    command = [PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={data}", "--log.level=error"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--storage.tsdb.retention.time=50y"]
    with data.with_suffix(".log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_ready(url, process, data.with_suffix(".log"))
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60.0
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx.get(f"{url}/-/ready", trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"Prometheus did not become ready: {log.read_text()}")
