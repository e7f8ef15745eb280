"""Writes routed requests into the request log from a thread of its own, so that no request waits for the disk."""

from __future__ import annotations

import queue
import sqlite3
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

from components.rollout.metrics import RequestRow, WindowMetrics, summarise
from components.rollout.request_log import RequestLog
from inference.router.quantity import Message, Quantity

BATCH = 512
PENDING = 20_000
"""Rows that may wait for the disk before further ones are dropped."""


@dataclass(frozen=True)
class Exchange:
    """A row with the bytes that its quantity is read from; None when there is nothing to read."""

    row: RequestRow
    request: Message | None = None
    answer: Message | None = None


class Recorder:
    """Measures and logs.

    Parameters
    ----------
    path : Path
        The request log.
    quantity : Quantity or None
        What to measure.
    """

    def __init__(self, path: Path, quantity: Quantity | None) -> None:
        self.dropped = 0
        self._log, self._quantity = RequestLog(path), quantity
        self._queue: queue.Queue[Exchange | threading.Event | None] = queue.Queue(PENDING)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def put(self, exchange: Exchange) -> None:
        """Take in one attempt; never blocks."""
        try:
            self._queue.put_nowait(exchange)
        except queue.Full:
            self.dropped += 1

    def window(self, version: str, since: float, until: float) -> WindowMetrics:
        """Return what a version did between two times; waits until everything before is written."""
        written = threading.Event()
        self._queue.put(written)
        written.wait()
        return summarise(self._log.read(version, since, until), version)

    def close(self) -> None:
        """Write what is pending and close."""
        self._queue.put(None)
        self._thread.join()
        self._log.close()

    def _run(self) -> None:
        while True:
            items = [self._queue.get()]
            while len(items) < BATCH and not self._queue.empty():
                items.append(self._queue.get())
            self._write([self._measure(i) for i in items if isinstance(i, Exchange)])
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()
            if None in items:
                return

    def _measure(self, exchange: Exchange) -> RequestRow:
        if self._quantity is None or exchange.request is None or exchange.answer is None:
            return exchange.row
        quantity, unusable = self._quantity.measure(exchange.request, exchange.answer)
        return replace(exchange.row, quantity=quantity, unusable=unusable)

    def _write(self, rows: list[RequestRow]) -> None:
        if not rows:
            return
        try:
            self._log.append(rows)
        except sqlite3.Error as error:
            if not self.dropped:
                sys.stderr.write(f"The request log cannot be written ({error}). Rows are dropped; requests go on.\n")
            self.dropped += len(rows)
