"""What the records need from time to time: outcomes that waited join, and performance is computed anew.

The worker of the jobs does it between two jobs; ``arthaflow records performance`` does it at will.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from components.records.database import Database

FIRST = timedelta(days=35)
"""How far back the first look goes: a whole month, so that a worker that was away misses nothing of it."""
OVERLAP = timedelta(minutes=5)
"""Looks overlap by this much, for what other processes were just writing."""


class Upkeep:
    """Does it at most every so often.

    Parameters
    ----------
    database : Database
        The records.
    every_s : float
        Least seconds between two times.
    """

    def __init__(self, database: Database, every_s: float = 300.0) -> None:
        self.database, self.every_s = database, every_s
        self._since = datetime.now(UTC) - FIRST
        self._next = 0.0

    def run_if_due(self) -> int:
        """Do it if it is time; return how many rows of model_performance_metrics were written.

        Raises
        ------
        RecordsUnavailable
            If the database is away; it is tried again at the next call.
        """
        from components.records.performance import refresh_performance

        if time.monotonic() < self._next:
            return 0
        began = datetime.now(UTC)
        written = refresh_performance(self.database, self._since)
        self._since, self._next = began - OVERLAP, time.monotonic() + self.every_s
        return written
