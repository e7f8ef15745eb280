"""The payload log: every request and response in one SQLite file, written behind the event loop, read by rowid.

Nothing is dropped while the file can be written: when the writer falls behind by :data:`HIGH_WATER` bytes, :attr:`full`
turns true and the data plane holds its answers back until it has caught up. When the file *cannot* be written (a full
disk), the server goes on: one error line, rows beyond the high-water mark are counted as dropped, and writing resumes
by itself.

Rows are written by one statement of many rows, because every statement gives up the interpreter's lock and has to win
it back from a busy event loop. Bodies are stored as they came, except that the numbers of a large JSON request are
stored in binary, a fifth as long, as the model got them; a binary body has its JSON part's length beside it, and
:func:`read_since` turns it into the equivalent JSON.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
import uuid
from collections import deque
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from components.errors import ConfigurationError
from inference.payload_json import as_json

logger = logging.getLogger("arthaflow.payload_log")

HIGH_WATER = 64 * 1024 * 1024
ROW_OVERHEAD = 400
FLUSH_S = 0.05
RETRY_S = 0.5
CHUNKS = (256, 64, 16, 4, 1)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS payload (
  rowid INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, time REAL NOT NULL,
  model TEXT NOT NULL, version TEXT NOT NULL,
  status INTEGER NOT NULL, latency_ms REAL NOT NULL, request BLOB NOT NULL, response BLOB NOT NULL,
  request_header INTEGER NOT NULL DEFAULT 0, response_header INTEGER NOT NULL DEFAULT 0)
"""
_COLUMNS = "id, time, model, version, status, latency_ms, request, response, request_header, response_header"
_INSERT = {n: f"INSERT INTO payload ({_COLUMNS}) VALUES " + ",".join(["(?,?,?,?,?,?,?,?,?,?)"] * n) for n in CHUNKS}

Row = tuple[str, float, str, str, int, float, bytes, bytes, int, int]


class PayloadRecord(NamedTuple):
    """One logged request with its response.

    Attributes
    ----------
    rowid : int
        Ascending; never used again.
    id : str
        The request's ``Ce-Id`` header, else one that the server made; then also the response's V2 ``id`` if the request
        has none.
    time : float
        When the request had been read, seconds since 1970 UTC.
    model, version : str
        What answered; version is empty when nothing did.
    status : int
        HTTP status (for gRPC, the equivalent one).
    latency_ms : float
        From request read to answer encoded.
    request, response : bytes
        V2 JSON; a request that could not be decoded is as it came.
    """

    rowid: int
    id: str
    time: float
    model: str
    version: str
    status: int
    latency_ms: float
    request: bytes
    response: bytes


class PayloadLog:
    """Appends from one thread; a background thread writes.

    Parameters
    ----------
    path : Path
        SQLite file; made, with its folder, when missing.

    Raises
    ------
    ConfigurationError
        If the file cannot be opened.
    """

    def __init__(self, path: Path, high_water: int = HIGH_WATER) -> None:
        self.path = path
        self.dropped = 0
        self.failing = False
        self._high_water = high_water
        self._rows: deque[Row] = deque()
        self._appended = 0
        self._written = 0
        self._stop = threading.Event()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connect().close()
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"The payload log {path} cannot be written ({error}).", "Choose another file, or free its disk."
            ) from error
        self._thread = threading.Thread(target=self._run, name="payload-log", daemon=True)
        self._thread.start()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=10.0, isolation_level=None, check_same_thread=False)
        # Bodies span pages: with 4096 a 31 kB row takes four times as long.
        connection.execute("PRAGMA page_size=16384")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint=2048")
        connection.execute(_SCHEMA)
        return connection

    @property
    def full(self) -> bool:
        """Whether answers should be held back until the writer has caught up."""
        return self._appended - self._written > self._high_water and not self.failing

    def append(
        self,
        id: str,
        model: str,
        version: str,
        status: int,
        latency_ms: float,
        request: bytes,
        response: bytes,
        request_header: int = 0,
        response_header: int = 0,
        at: float | None = None,
    ) -> None:
        """Queue one row. Call from one thread only.

        Parameters
        ----------
        request_header, response_header : int
            Length of the JSON part of a binary body; 0 when all is JSON.
        at : float or None
            Seconds since 1970 UTC; None for now.

        Others are as in :class:`PayloadRecord`.
        """
        if self.failing and self._appended - self._written > self._high_water:
            self.dropped += 1
            return
        when = time.time() if at is None else at
        self._rows.append(
            (id, when, model, version, status, latency_ms, request, response, request_header, response_header)
        )
        self._appended += len(request) + len(response) + ROW_OVERHEAD

    def close(self, timeout: float = 30.0) -> None:
        """Write what is queued and stop the writer."""
        self._stop.set()
        self._thread.join(timeout)
        lost = len(self._rows)
        if lost:
            self.dropped += lost
            logger.error("payload log %s: %d rows could not be written before the server stopped", self.path, lost)

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while True:
            stopping = self._stop.wait(RETRY_S if self.failing else FLUSH_S)
            try:
                connection = connection or self._connect()
                while self._rows:
                    self._write(connection)
                self._recovered()
            except (sqlite3.Error, OSError) as error:
                self._failed(error)
                if connection is not None:
                    connection.close()
                    connection = None
            if stopping and (self.failing or not self._rows):
                break
        if connection is not None:
            connection.close()

    def _write(self, connection: sqlite3.Connection) -> None:
        """Write one transaction; the queue keeps its rows until the commit."""
        waiting = list(islice(self._rows, 4 * CHUNKS[0]))
        connection.execute("BEGIN IMMEDIATE")
        try:
            done = 0
            for size in CHUNKS:
                while len(waiting) - done >= size:
                    values = [value for row in waiting[done : done + size] for value in row]
                    connection.execute(_INSERT[size], values)
                    done += size
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        for row in waiting:
            self._rows.popleft()
            self._written += len(row[6]) + len(row[7]) + ROW_OVERHEAD

    def _failed(self, error: Exception) -> None:
        if not self.failing:
            logger.error(
                "payload log %s cannot be written (%s): predictions go on, rows wait in memory; free some space",
                self.path,
                error,
            )
        self.failing = True

    def _recovered(self) -> None:
        if self.failing:
            logger.warning("payload log %s is written again; %d rows were dropped meanwhile", self.path, self.dropped)
        self.failing = False


class IdSource:
    """Unique ids for requests that bring none: a random prefix per process and a counter, far cheaper than a uuid4."""

    __slots__ = ("_count", "_prefix")

    def __init__(self) -> None:
        self._prefix = uuid.uuid4().hex[:20]
        self._count = 0

    def __call__(self) -> str:
        """Return a new id of 32 hexadecimal digits."""
        self._count += 1
        return f"{self._prefix}{self._count:012x}"


def read_since(path: Path, rowid: int = 0, limit: int = 1000) -> list[PayloadRecord]:
    """Return up to ``limit`` rows after ``rowid``, oldest first; none while the file does not exist.

    Binary bodies come back as the equivalent JSON.
    """
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10.0)) as connection:
        try:
            rows: list[Any] = connection.execute(
                f"SELECT rowid, {_COLUMNS} FROM payload WHERE rowid > ? ORDER BY rowid LIMIT ?", (rowid, limit)
            ).fetchall()
        except sqlite3.OperationalError as error:
            if "no such table" in str(error):
                return []
            raise
    return [PayloadRecord._make((*row[:7], as_json(row[7], row[9]), as_json(row[8], row[10]))) for row in rows]
