"""A sliding window over the rows of served requests."""

from __future__ import annotations

from collections import deque
from threading import Lock

import numpy as np

from inference.drift.result import FloatArray


class Window:
    """The latest rows, safe to use from several threads.

    Parameters
    ----------
    columns : int
        Width of a row.
    capacity : int
        Rows kept; older ones fall out.
    thin : int
        Keep every ``thin``-th row. Rows whose look-back windows overlap depend on each other, which makes every test
        alarm too often; with ``thin`` near the distance at which the autocorrelation has died out, they do so no
        longer.
    """

    def __init__(self, columns: int, capacity: int, thin: int = 1) -> None:
        self.columns = columns
        self.capacity = capacity
        self.thin = thin
        self._rows: deque[FloatArray] = deque(maxlen=capacity)
        self._lock = Lock()
        self._seen = 0

    def add(self, rows: FloatArray) -> int:
        """Take in rows of shape (n, columns) in the order they were served; return how many were kept."""
        with self._lock:
            kept = rows[(self._seen + np.arange(len(rows))) % self.thin == 0]
            self._seen += len(rows)
            self._rows.extend(np.array(kept, dtype=np.float64))
            return len(kept)

    def snapshot(self) -> FloatArray:
        """Return a copy of shape (n, columns), oldest row first."""
        with self._lock:
            return np.array(self._rows, dtype=np.float64).reshape(-1, self.columns)

    def clear(self) -> None:
        """Forget every row."""
        with self._lock:
            self._rows.clear()
            self._seen = 0

    @property
    def seen(self) -> int:
        """Rows taken in since the start or the last :meth:`clear`, thinned ones included."""
        return self._seen

    def __len__(self) -> int:
        return len(self._rows)
