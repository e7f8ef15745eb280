"""The watchdog: restarts servers that were killed, so that the last good state goes on serving."""

from __future__ import annotations

import sys
import threading
import time
from collections import defaultdict, deque
from types import TracebackType
from typing import Self

from inference.local.endpoint import Endpoint
from inference.local.supervisor import Supervisor

POLL_S = 0.25
MAX_RESTARTS = 5
WITHIN_S = 60.0
"""A server that dies more often than :data:`MAX_RESTARTS` times within this is given up: starting it helps nobody."""


class Watchdog:
    """Watches the servers of a home while the ``with`` block runs.

    Parameters
    ----------
    serving : Supervisor
        Whose servers.
    """

    def __init__(self, serving: Supervisor) -> None:
        self.serving = serving
        self.restarts: list[str] = []
        self._died: defaultdict[str, deque[float]] = defaultdict(deque)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.run, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Make :meth:`run` return."""
        self._stop.set()

    def run(self) -> None:
        """Watch until :meth:`stop`."""
        while not self._stop.wait(POLL_S):
            for endpoint in self.serving.state.read().values():
                if endpoint.kind != "watchdog" and not endpoint.alive:
                    self._revive(endpoint)

    def _revive(self, endpoint: Endpoint) -> None:
        deaths, now = self._died[endpoint.key], time.monotonic()
        while deaths and now - deaths[0] > WITHIN_S:
            deaths.popleft()
        deaths.append(now)
        if len(deaths) > MAX_RESTARTS:
            if len(deaths) == MAX_RESTARTS + 1:
                sys.stderr.write(f"{endpoint.key} died {len(deaths)} times in {WITHIN_S:g} s; see {endpoint.log}.\n")
            return
        self.serving.restart(endpoint)
        self.restarts.append(endpoint.key)
        sys.stderr.write(f"{endpoint.key} was gone and has been started again; its log is {endpoint.log}.\n")
