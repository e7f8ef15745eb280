"""One server process: start it, wait until it is ready, stop it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

import psutil  # type: ignore[import-untyped]

from components.errors import ModelUnavailable

POLL_S = 0.05
LOG_LINES = 15

_open = build_opener(ProxyHandler({})).open  # a proxy of the environment has no business on this machine


class ManagedProcess:
    """A child process in a session of its own, so that Ctrl-C in a terminal does not kill it before its parent decides.

    Parameters
    ----------
    name : str
        For messages.
    command : sequence of str
        What to run.
    log : Path
        File that its output is appended to; its folder is created. The process number stands beside it in ``.pid``.
    environment : mapping of str to str
        The whole environment.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name, self.command, self.log, self.environment = name, tuple(command), log, dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Number of the process; 0 before it was started."""
        return self._process.pid if self._process is not None else 0

    @property
    def returncode(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll() if self._process is not None else None

    @property
    def created(self) -> float:
        """Creation time of the process, seconds since the epoch; 0 when it is gone."""
        try:
            return float(psutil.Process(self.pid).create_time())
        except psutil.NoSuchProcess:
            return 0.0

    def start(self) -> None:
        """Start the process."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )
        self.log.with_suffix(".pid").write_text(f"{self.pid}\n", encoding="utf-8")

    def wait_ready(self, url: str, timeout_s: float = 60.0) -> None:
        """Wait until ``url`` answers 200.

        Raises
        ------
        ModelUnavailable
            If the process exits, or does not get ready in time; it is stopped then, and the message has the last lines
            of its log.
        """
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.returncode is not None:
                raise ModelUnavailable(
                    f"{self.name} exited with {self.returncode} before it was ready. Its last words:\n{self.tail()}",
                    f"The whole log is {self.log}.",
                )
            if answers(url):
                return
            time.sleep(POLL_S)
        self.stop()
        raise ModelUnavailable(
            f"{self.name} was not ready within {timeout_s:g} s at {url}. Its last words:\n{self.tail()}",
            f"The whole log is {self.log}.",
        )

    def tail(self) -> str:
        """Return the last lines that this process wrote."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            lines = file.read().decode("utf-8", "replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-LOG_LINES:]) or "  (nothing)"

    def stop(self, grace_s: float = 10.0) -> None:
        """Ask the process to stop, and kill it after ``grace_s`` seconds."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self.log.with_suffix(".pid").unlink(missing_ok=True)


def answers(url: str, timeout_s: float = 2.0) -> bool:
    """Return whether ``url`` answers 200 now."""
    try:
        with _open(url, timeout=timeout_s) as response:
            return bool(response.status == 200)
    except (URLError, OSError, HTTPException):
        return False
