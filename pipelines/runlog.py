"""RunLog: takes everything that the local runner prints, keeps it in a file, and picks out what the steps report."""

from __future__ import annotations

import io
import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from components.stages.step import MARK

Event = Mapping[str, Any]
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
RUNNER = re.compile(r"^\d\d:\d\d:\d\d\.\d+ - [A-Z]+ - |\[KFP Executor ")
TAIL = 12


class RunLog(io.TextIOBase):
    """A text stream for ``redirect_stdout``.

    ``last_words`` has, by step, the last lines of a step that ended without reporting its end or an error.

    Lines of parallel steps arrive from several threads in pieces; each thread's pieces are joined before they are read.

    Parameters
    ----------
    path : Path
        File that gets every line. When the disk is full, the last lines are still kept in memory.
    listen : callable
        Called with every event that a step reports.
    """

    def __init__(self, path: Path, listen: Callable[[Event], None]) -> None:
        self.path, self.listen = path, listen
        self.last_words: dict[str, list[str]] = {}
        self._running: dict[int, tuple[str, list[str]]] = {}
        self.events: list[Event] = []
        self._pieces: defaultdict[int, str] = defaultdict(str)
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="utf-8", buffering=1)

    def write(self, text: str) -> int:
        """Take a piece of text."""
        with self._lock:
            me = threading.get_ident()
            *lines, self._pieces[me] = (self._pieces[me] + text).split("\n")
            for line in lines:
                self._line(COLOUR.sub("", line).strip())
        return len(text)

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._file.close()
        super().close()

    def _line(self, line: str) -> None:
        if not line:
            return
        me = threading.get_ident()
        with suppress(OSError):
            self._file.write(f"{line}\n")
        if line.startswith(MARK):
            event = json.loads(line.removeprefix(MARK))
            self.events.append(event)
            self._follow(event)
            self.listen(event)
        elif me in self._running:
            step, words = self._running[me]
            if RUNNER.search(line):
                # The local runner speaks again, so the step's process is gone.
                self.last_words[step] = words[-TAIL:]
                del self._running[me]
            else:
                words.append(line)

    def _follow(self, event: Event) -> None:
        me = threading.get_ident()
        if event["event"] == "start":
            self._running[me] = (f"{event['step']} {event['label']}".strip(), [])
        elif event["event"] != "note":
            self._running.pop(me, None)
