"""Engines: several ways to compute the same prediction, and which of them is fastest for how many rows.

ONNX Runtime answers one row of a tree ensemble in microseconds; the library that trained it wins on many rows. Where
the lines cross depends on the model and on the machine, so it is measured, written into the artifact, and looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Engine = Callable[[Array], Array]
ROWS = (1, 8, 64, 256)


@dataclass(frozen=True)
class EngineTable:
    """Microseconds per call, by engine and number of rows.

    Attributes
    ----------
    microseconds : mapping of str to mapping of int to float
        Every engine was measured at the same numbers of rows.

    Examples
    --------
    >>> table = EngineTable({"onnx": {1: 10.0, 256: 2000.0}, "xgboost": {1: 140.0, 256: 900.0}})
    >>> table.pick(1), table.pick(256)
    ('onnx', 'xgboost')
    """

    microseconds: Mapping[str, Mapping[int, float]]
    _choice: dict[int, str] = field(default_factory=dict, repr=False, compare=False)

    def pick(self, rows: int) -> str:
        """Return the engine with the least expected time, linear between and beyond the measured numbers of rows."""
        engine = self._choice.get(rows)
        if engine is None:
            engine = self._choice[rows] = min(self.microseconds, key=lambda name: self.expected(name, rows))
        return engine

    def expected(self, engine: str, rows: int) -> float:
        """Return the expected microseconds of one call."""
        measured = sorted(self.microseconds[engine].items())
        if rows <= measured[0][0] or len(measured) == 1:
            return measured[0][1]
        upper = next((i for i, (size, _) in enumerate(measured) if size >= rows), len(measured) - 1)
        (r0, t0), (r1, t1) = measured[upper - 1], measured[upper]
        return t0 + (t1 - t0) * (rows - r0) / (r1 - r0)

    def to_dict(self) -> dict[str, dict[str, float]]:
        """Return a JSON-ready dictionary."""
        return {name: {str(r): t for r, t in times.items()} for name, times in self.microseconds.items()}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Mapping[str, float]]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls({name: {int(r): float(t) for r, t in times.items()} for name, times in raw.items()})


def measure(
    engines: Mapping[str, Engine], pool: Array, rows: tuple[int, ...] = ROWS, seconds: float = 0.1
) -> EngineTable:
    """Time every engine at every number of rows.

    Each call gets other rows than the call before it: asked the same few rows again and again, the processor predicts
    every branch of a tree, and small batches look up to twice as fast as they are.

    Parameters
    ----------
    engines : mapping of str to callable
        Each takes rows and returns their predictions.
    pool : ndarray
        Real rows to draw from, row axis first; at least ``max(rows)`` of them, better many times as many.
    rows : tuple of int
        Numbers of rows to measure.
    seconds : float
        Time spent on each engine and number of rows.
    """
    if len(pool) < max(rows):
        raise ValueError(f"measuring {max(rows)} rows needs as many, the pool has {len(pool)}")
    return EngineTable({name: {r: _median_us(call, pool, r, seconds) for r in rows} for name, call in engines.items()})


def _median_us(call: Engine, pool: Array, rows: int, seconds: float) -> float:
    starts = np.random.default_rng(7).integers(0, len(pool) - rows + 1, 1024)
    call(pool[:rows])
    times: list[float] = []
    end = perf_counter() + seconds
    while len(times) < 3 or perf_counter() < end:
        start = starts[len(times) % len(starts)]
        batch = np.ascontiguousarray(pool[start : start + rows])
        before = perf_counter()
        call(batch)
        times.append(perf_counter() - before)
    return float(np.median(times)) * 1e6


def max_difference(engines: Mapping[str, Engine], pool: Array) -> float:
    """Return the largest absolute difference of any two engines on ``pool``: the parity that an artifact records."""
    answers = [np.asarray(call(pool), dtype=np.float64) for call in engines.values()]
    return max((float(np.abs(a - answers[0]).max()) for a in answers[1:]), default=0.0)
