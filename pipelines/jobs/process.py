"""One attempt at a job as a process group of its own, so that cancelling it ends everything that it started."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from pipelines.jobs.context import LOG, PROBLEM, RESULT, read_json

TAIL_BYTES = 4096
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class JobProcess:
    """A started attempt.

    Parameters
    ----------
    folder : Path
        Of the job; ``request.json`` is there.
    home : Path
        ``ARTHAFLOW_HOME`` of the attempt.
    action : str
        ``run``, or ``undo`` for what takes back a half-done attempt.
    """

    def __init__(self, folder: Path, home: Path, action: str = "run") -> None:
        self.folder = folder
        command = [sys.executable, "-m", "pipelines.jobs.child", str(folder), action]
        with (folder / LOG).open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "ARTHAFLOW_HOME": str(home), "PYTHONUNBUFFERED": "1"},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Number of the process, and of its group."""
        return self._process.pid

    def ended(self, within_s: float = 0.0) -> bool:
        """Wait up to so many seconds; return whether the attempt has ended."""
        try:
            self._process.wait(within_s)
        except subprocess.TimeoutExpired:
            return False
        return True

    @property
    def exit_status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    def stop(self, grace_s: float) -> None:
        """Ask the whole group to end, and kill what is left of it after ``grace_s`` seconds."""
        _signal(self.pid, signal.SIGTERM)
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline and not (self.ended(0.05) and not members(self.pid)):
            time.sleep(0.05)
        _signal(self.pid, signal.SIGKILL)
        self._process.wait()

    def result(self) -> dict[str, Any] | None:
        """Return what the attempt achieved; None unless it ended well."""
        return read_json(self.folder / RESULT)

    def problem(self) -> dict[str, str]:
        """Return why it did not end well: ``problem``, ``remedy``, ``traceback``."""
        told = read_json(self.folder / PROBLEM)
        if told is not None:
            return {name: COLOUR.sub("", text) for name, text in told.items()}
        status = self.exit_status or 0
        how = f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended with {status}"
        return {
            "problem": f"The job's process {how} without a word.",
            "remedy": "Look at the end of its log; SIGKILL from outside often means that memory ran out.",
            "traceback": "",
        }

    def log_tail(self) -> str:
        """Return the end of the job's output."""
        return tail(self.folder / LOG)


def tail(path: Path, most: int = TAIL_BYTES) -> str:
    """Return the last whole lines of a file."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        size = file.tell()
        file.seek(max(0, size - most))
        text = file.read().decode("utf-8", "replace")
    return COLOUR.sub("", text.split("\n", 1)[-1] if size > most else text).replace("\0", "")


def members(group: int) -> list[int]:
    """Return the processes of a group that are alive."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process.pid)
        except (ProcessLookupError, psutil.Error):
            continue
    return found


def _signal(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return
