"""What every member shares: it predicts log variance, and saves itself as JSON."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import FloatArray
from components.models.markets.volatility.inputs import MIN_VARIANCE, Prepared, prepare
from components.models.markets.volatility.params import Params
from components.models.schema import Batch


class Member(ABC):
    """One trainable member; predicts the log of the mean daily variance to each horizon, shape (rows, horizons).

    Parameters
    ----------
    params : Params
        Hyper-parameters of the whole model.

    Attributes
    ----------
    level : float
        Mean squared return over mean range variance of the training rows.
    """

    name: ClassVar[str]

    def __init__(self, params: Params) -> None:
        self.params = params
        self.level = 1.0

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn from ``train``; ``validation`` is for early stopping only."""
        self.level = typical_level(train)
        self._fit(train, validation)
        return self

    def predict(self, inputs: Batch) -> FloatArray:
        """Return log variances, shape (rows, horizons)."""
        return self.forecast(prepare(inputs, self.level))

    def save(self, directory: Path) -> None:
        """Write ``<name>.json``."""
        state = {"level": self.level, **self._state()}
        (directory / f"{self.name}.json").write_text(
            json.dumps(state, indent=1, allow_nan=False) + "\n", encoding="utf-8"
        )

    @classmethod
    def load(cls, directory: Path, params: Params) -> Self:
        """Inverse of :meth:`save`."""
        member = cls(params)
        state = json.loads((directory / f"{cls.name}.json").read_text(encoding="utf-8"))
        member.level = float(state["level"])
        member._restore(state, directory)
        return member

    @abstractmethod
    def _fit(self, train: Dataset, validation: Dataset) -> None:
        """Learn."""

    @abstractmethod
    def forecast(self, x: Prepared) -> FloatArray:
        """Return log variances of prepared rows, shape (rows, horizons)."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """Return what was learned, JSON-ready."""

    @abstractmethod
    def _restore(self, state: dict[str, Any], directory: Path) -> None:
        """Inverse of :meth:`_state`."""


def typical_level(data: Dataset) -> float:
    """Return the geometric mean of the rows' levels."""
    return float(np.exp(np.log(data.targets["level"]).mean()))


def realised(data: Dataset) -> FloatArray:
    """Return the target, floored, shape (rows, horizons)."""
    return np.maximum(data.targets["realised_variance"], MIN_VARIANCE)
