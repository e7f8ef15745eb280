"""Which engine answers which batch: a table measured when the model was fitted, never a guess.

For one row ONNX Runtime answers a tree ensemble an order of magnitude faster than XGBoost's own predictor; for many rows
XGBoost's may win. Where the turn comes depends on the ensemble and on the machine, so it is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

BATCH_SIZES = (1, 16, 64, 256, 1024)


@dataclass(frozen=True)
class EngineTable:
    """Microseconds per batch of two engines.

    Attributes
    ----------
    rows : tuple of int
        Batch sizes.
    onnx, native : tuple of float
        Microseconds per batch: the best of several runs, which is what the machine can do.
    """

    rows: tuple[int, ...]
    onnx: tuple[float, ...]
    native: tuple[float, ...]

    @property
    def native_from(self) -> int | None:
        """Smallest measured batch from which the native engine wins at every larger one too; None for never."""
        first = None
        for rows, onnx, native in zip(self.rows[::-1], self.onnx[::-1], self.native[::-1], strict=True):
            if native >= onnx:
                break
            first = rows
        return first

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self) | {"native_from": self.native_from}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> EngineTable:
        """Inverse of :meth:`to_dict`."""
        return cls(tuple(raw["rows"]), tuple(raw["onnx"]), tuple(raw["native"]))


def measure(
    onnx: Callable[[int], object], native: Callable[[int], object], sizes: Sequence[int] = BATCH_SIZES, runs: int = 5
) -> EngineTable:
    """Time both engines.

    Parameters
    ----------
    onnx, native : callable
        Predict a batch of so many rows.
    sizes : sequence of int
        Batch sizes, ascending.
    runs : int
        Runs of each; the best counts.
    """

    def best(predict: Callable[[int], object], rows: int) -> float:
        predict(rows)
        times = []
        for _ in range(runs):
            started = time.perf_counter()
            predict(rows)
            times.append(time.perf_counter() - started)
        return round(min(times) * 1e6, 1)

    return EngineTable(tuple(sizes), tuple(best(onnx, n) for n in sizes), tuple(best(native, n) for n in sizes))
