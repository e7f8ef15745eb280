"""The log of routed requests: SQLite, appended by the router, read for windows and for replays.

A request's row is written after its answer was sent: the log never slows or fails a request. When the disk is full,
rows are counted as dropped, and a rollout becomes inconclusive instead of wrong.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, fields
from pathlib import Path
from typing import Any

from components.rollout.metrics import RequestRow

COLUMNS = tuple(f.name for f in fields(RequestRow))
TABLE = """
CREATE TABLE IF NOT EXISTS request (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, track TEXT NOT NULL, version TEXT NOT NULL, status INTEGER NOT NULL,
    latency_ms REAL NOT NULL, quantity REAL, unusable INTEGER NOT NULL, attempt INTEGER NOT NULL,
    forced INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS request_time ON request (version, time);
"""


class RequestLog:
    """One model's log.

    Parameters
    ----------
    path : Path
        The database; its folder is created.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=5000;" + TABLE)

    def append(self, rows: Sequence[RequestRow]) -> None:
        """Write rows in one transaction.

        Raises
        ------
        sqlite3.Error
            If the disk is full or the database is broken; nothing of the batch is written then.
        """
        marks = ", ".join("?" * len(COLUMNS))
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                f"INSERT INTO request ({', '.join(COLUMNS)}) VALUES ({marks})", [astuple(r) for r in rows]
            )

    def read(self, version: str, since: float, until: float) -> list[RequestRow]:
        """Return one version's rows in ``(since, until]``, in order of time."""
        found = self._db.execute(
            f"SELECT {', '.join(COLUMNS)} FROM request WHERE version = ? AND time > ? AND time <= ? ORDER BY time, id",
            (version, since, until),
        )
        return [_row(values) for values in found]

    def close(self) -> None:
        """Close the database."""
        self._db.close()


def _row(values: Sequence[Any]) -> RequestRow:
    raw = dict(zip(COLUMNS, values, strict=True))
    return RequestRow(**{**raw, "unusable": bool(raw["unusable"]), "forced": bool(raw["forced"])})
