"""Walk-forward splits: time-ordered, purged by label times; all entities of one time are in one fold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.errors import DataRejected

Index = npt.NDArray[np.int64]
MIN_ROWS = 60
"""Fewest rows of any part; conformal tails of 5 % need 20, blend weights more."""


@dataclass(frozen=True)
class Fold:
    """Row indices of one fold; ``test`` is empty in the final one."""

    number: int
    train: Index
    validation: Index
    test: Index


@dataclass(frozen=True)
class Folds:
    """Walk-forward folds in time order, and the split that the shipped model is fitted on.

    Attributes
    ----------
    folds : tuple of Fold
        Numbered from 0.
    final : Fold
        Numbered -1: everything but the last part for training, the last part for validation.
    rows : int
        Rows of the dataset that was split.
    """

    folds: tuple[Fold, ...]
    final: Fold
    rows: int

    @property
    def every(self) -> tuple[Fold, ...]:
        """The folds, then the final split."""
        return (*self.folds, self.final)

    def write(self, path: Path) -> None:
        """Write to JSON."""
        raw = asdict(self)
        path.write_text(json.dumps(raw, default=lambda a: a.tolist()) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Folds:
        """Inverse of :meth:`write`."""
        raw = json.loads(path.read_text(encoding="utf-8"))
        return cls(tuple(_fold(f) for f in raw["folds"]), _fold(raw["final"]), raw["rows"])


def walk_forward(
    data: Dataset,
    folds: int = 3,
    test_share: float = 0.6,
    validation_share: float = 0.15,
    embargo: np.timedelta64 | None = None,
) -> Folds:
    """Split a dataset into expanding walk-forward folds.

    The last ``test_share`` of the time axis is cut into ``folds`` test blocks of equal length. Before each lies a
    validation block of ``validation_share``, before that the training rows. Rows whose label was not yet known (plus
    the embargo) when the next part begins are purged, because they would leak it.

    Parameters
    ----------
    data : Dataset
        Any order of rows.
    folds : int
        Number of test blocks.
    test_share, validation_share : float
        Shares of the distinct times, decimal.
    embargo : timedelta64 or None
        Extra gap after the last label before the next part; None for none (walk-forward never trains on what follows).

    Raises
    ------
    DataRejected
        If a part would have fewer than 60 rows.

    Notes
    -----
    Purging and embargo after López de Prado (2018), Advances in Financial Machine Learning, chapter 7.
    """
    times = np.unique(data.times)
    if not 0 < validation_share < 1 - test_share < 1 or folds < 1:
        raise DataRejected(
            f"test_share={test_share} and validation_share={validation_share} leave no training rows in {folds} folds.",
            "Use for example 3 folds, 0.6 and 0.15.",
        )
    gap = np.timedelta64(0, "ns") if embargo is None else embargo
    edges = _at(times, np.linspace(1 - test_share, 1, folds + 1))
    starts = _at(times, np.linspace(1 - test_share, 1, folds + 1)[:-1] - validation_share)
    made = [
        _make(data, number, starts[number], edges[number], edges[number + 1], gap, last=number == folds - 1)
        for number in range(folds)
    ]
    last = _at(times, [1 - validation_share])[0]
    end = times[-1] + np.timedelta64(1, "ns")
    final = _make(data, -1, last, end, end, gap, last=True)
    return Folds(tuple(made), final, len(data))


def _at(times: npt.NDArray[Any], shares: Sequence[float] | npt.NDArray[Any]) -> list[Any]:
    return [times[min(round(share * len(times)), len(times) - 1)] for share in shares]


def _make(data: Dataset, number: int, validation: Any, test: Any, end: Any, gap: np.timedelta64, last: bool) -> Fold:
    before, times = data.label_times + gap, data.times
    train = times < validation
    held = (times >= validation) & (times < test)
    if number >= 0:
        held &= before < test
    tested = (times >= test) & ((times <= end) if last else (times < end))
    fold = Fold(number, *(np.flatnonzero(m).astype(np.int64) for m in (train & (before < validation), held, tested)))
    parts = {"train": fold.train, "validation": fold.validation} | ({"test": fold.test} if number >= 0 else {})
    for part, rows in parts.items():
        if len(rows) < MIN_ROWS:
            raise DataRejected(
                f"Fold {number} has {len(rows)} {part} rows after purging, at least {MIN_ROWS} are needed.",
                "Bring more history, or ask for fewer folds.",
            )
    return fold


def _fold(raw: dict[str, Any]) -> Fold:
    return Fold(raw["number"], *(np.array(raw[part], dtype=np.int64) for part in ("train", "validation", "test")))
