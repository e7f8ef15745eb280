"""Scales the close by a fixed formula of the other features and of the last bars of the window."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from components.data.dataset import Dataset
from components.features.definitions import FEATURES, WINDOW_CHANNELS, WINDOW_LENGTH
from components.models.contract import Candidate, FloatArray, Model, Outputs
from components.models.schema import Batch, Column, Schema, Tensor

NAMES = ("close", "price_change", "rsi_14", "vix")
COLUMNS = tuple(next(c for c in FEATURES if c.name == name) for name in NAMES)
WINDOW = tuple(Column(name, "log") for name in WINDOW_CHANNELS)


@dataclass(frozen=True)
class LookedUpParams:
    """No hyper-parameters."""


class LookedUp(Model):
    """See the module."""

    Params = LookedUpParams
    slope = -0.3
    input_schema = Schema(
        (
            Tensor("features", "FP64", (len(COLUMNS),), COLUMNS),
            Tensor("window", "FP32", (WINDOW_LENGTH, len(WINDOW)), WINDOW),
        )
    )
    output_schema = Schema(
        (
            Tensor("price", "FP64", (1,), (Column("1_day", COLUMNS[0].unit),)),
            Tensor("direction", "BYTES"),
        )
    )

    @classmethod
    def candidates(cls, params: Any) -> Mapping[str, Callable[[], Candidate]]:
        """Nothing is trained."""
        return {}

    def combine(self, predictions: Mapping[str, FloatArray], validation: Dataset) -> Self:
        """Nothing is blended."""
        return self

    def finish(self, predictions: Mapping[str, FloatArray], inputs: Batch) -> Outputs:
        """Nothing is blended."""
        return self.predict(inputs)

    def adopt(self, directories: Mapping[str, Path]) -> Self:
        """Nothing is adopted."""
        return self

    def predict(self, inputs: Batch) -> Outputs:
        """Mean reversion: a rise yesterday, an RSI above 50 and a low a week ago pull the price down."""
        close, change, rsi, vix = (inputs["features"][:, j] for j in range(len(NAMES)))
        week = inputs["window"][:, -5, 3].astype(float)
        move = self.slope * change - 1e-4 * (rsi - 50.0) + 1e-5 * vix + 0.05 * week
        price = (close * (1.0 + move))[:, None]
        direction = (move > 0).astype(object)
        direction[move > 0], direction[move <= 0] = "up", "down"
        return {"price": price, "direction": direction}

    def save(self, directory: Path) -> None:
        """Write the slope."""
        (directory / "slope.json").write_text(json.dumps(self.slope), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        model = cls()
        model.slope = json.loads((directory / "slope.json").read_text(encoding="utf-8"))
        return model
