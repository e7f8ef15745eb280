"""Are questions walked through on a grid, one coordinate after the other? In any order, and between other questions."""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
MOST_COORDINATES = 64
RECENT = 192
"""Latest distinct questions that are judged."""
LINE = 8
"""Questions on one line (all coordinates the same but one) that make a walk."""
TOUCHED = 8
"""Inputs that probing changes in turn."""
EPOCH = 1024
"""Distinct questions after which the lines are counted anew."""
SLOTS = 1 << 16
EVEN = 1e-4
FARTHEST = 64
"""Steps between neighbours on a grid; with more, anything would be one."""


class Sweeps:
    """Lines through the questions of one caller to one model.

    Each coordinate's bits go through a hash; leaving one coordinate out of their sum is a subtraction, so that the
    lines a question lies on, one per coordinate, cost a few vector operations. Lines are counted in a table of 65,536
    slots, where they may collide: with at most 1,024 questions, and eight needed, seldom enough.

    Parameters
    ----------
    width : int
        Coordinates; nothing is watched below 2 and above 64, where a sweep is no way to learn a model.
    """

    def __init__(self, width: int) -> None:
        self.watched = 2 <= width <= MOST_COORDINATES
        self._counts = np.zeros(SLOTS if self.watched else 0, np.uint16)
        self._salt = np.random.default_rng(0).integers(1, 2**63, max(width, 1), dtype=np.uint64) * np.uint64(
            2
        ) + np.uint64(1)
        self._recent: deque[tuple[int, float] | None] = deque(maxlen=RECENT)
        self._seen, self._width = 0, width
        self._before: Array | None = None
        self._changed: deque[int] = deque(maxlen=RECENT)

    @property
    def nbytes(self) -> int:
        """Memory, bytes."""
        return self._counts.nbytes + self._salt.nbytes + 160 * RECENT

    def add(self, vector: Array) -> None:
        """Note one distinct question, shape (width,)."""
        self._compare(vector)
        if not self.watched:
            return
        if self._seen % EPOCH == 0:
            self._counts[:] = 0
        self._seen += 1
        mixed = (vector.view(np.uint64) ^ self._salt) * self._salt
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        lines = (mixed.sum(dtype=np.uint64) - mixed) * np.uint64(0x9E3779B97F4A7C15) ^ self._salt
        slots = ((lines * np.uint64(0x94D049BB133111EB)) >> np.uint64(48)).astype(np.intp)
        counts = self._counts[slots] + 1
        self._counts[slots] = counts
        longest = int(counts.argmax())
        walks = counts[longest] >= LINE
        self._recent.append((longest * SLOTS + int(slots[longest]), float(vector[longest])) if walks else None)

    def _compare(self, vector: Array) -> None:
        if self._before is not None and self._width >= TOUCHED:
            changed = np.flatnonzero(vector != self._before)
            self._changed.append(int(changed[0]) if len(changed) <= 2 else -1)
        self._before = vector

    def probing(self) -> float:
        """Return the share of the latest questions that change one input, and maybe put another back, of many in turn.

        So Jacobians are measured by finite differences. People who try what changes an answer touch few inputs.
        """
        if len(self._changed) < RECENT or len(set(self._changed) - {-1}) < TOUCHED:
            return 0.0
        return 1.0 - self._changed.count(-1) / RECENT

    def share(self) -> float:
        """Return the share of the latest questions on lines of evenly spaced values; 0.0 while there are few."""
        if len(self._recent) < RECENT:
            return 0.0
        lines: dict[int, list[float]] = {}
        for entry in self._recent:
            if entry is not None:
                lines.setdefault(entry[0], []).append(entry[1])
        return sum(len(values) for values in lines.values() if evenly_spaced(values)) / RECENT


def evenly_spaced(values: list[float]) -> bool:
    """Whether values are of one grid: linear, or linear in their logarithms.

    Examples
    --------
    >>> evenly_spaced([0.3, 0.1, 0.2]), evenly_spaced([1.0, 10.0, 100.0, 1000.0]), evenly_spaced([0.1, 0.25, 0.7777])
    (True, True, False)
    """
    ordered = np.unique(np.asarray(values))
    if len(ordered) < 3:
        return True
    return _even(ordered) or (bool(ordered[0] > 0) and _even(np.log(ordered)))


def _even(ordered: Array) -> bool:
    gaps = np.diff(ordered)
    steps = gaps / gaps.min()
    near = np.abs(steps - np.round(steps)) <= np.maximum(EVEN * steps, 1e-9 * np.abs(ordered).max() / gaps.min())
    return bool(near.mean() >= 0.9 and np.median(steps) <= FARTHEST)
