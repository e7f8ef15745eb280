"""Risk of a basket: leverage times the root of the days times the basket's volatility, split by Euler's theorem.

A security's volatility is 0.1 and 0.01 for each letter of its name; without correlations, holdings are independent.
A holding ``LIAR`` has the model tell parts that do not add up.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import Candidate, FloatArray, Model, Outputs
from components.models.schema import Batch, Column, Schema, Tensor


@dataclass(frozen=True)
class BasketParams:
    """No hyper-parameters."""


class Basket(Model):
    """See the module."""

    Params = BasketParams
    input_schema = Schema(
        (
            Tensor("holdings", "BYTES", (-1,)),
            Tensor("weights", "FP64", (-1,), unit="decimal"),
            Tensor("correlations", "FP64", (-1, -1)),
            Tensor(
                "terms",
                "FP64",
                (2,),
                (Column("leverage", "ratio", minimum=0.5, maximum=3.0), Column("days", "days", minimum=1.0)),
            ),
        )
    )
    output_schema = Schema(
        (
            Tensor("risk", "FP64", unit="decimal"),
            Tensor("parts", "FP64", (-1,), unit="decimal"),
            Tensor("word", "BYTES"),
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
        """Return risk and parts of a batch."""
        names, weights, terms = inputs["holdings"], inputs["weights"], inputs["terms"]
        lengths = np.array([[len(n) for n in row] for row in names], dtype=np.float64).reshape(names.shape)
        sizes = weights * (0.1 + 0.01 * lengths)
        correlations = inputs["correlations"]
        if not correlations.shape[1]:
            correlations = np.broadcast_to(np.eye(names.shape[1]), (len(names), names.shape[1], names.shape[1]))
        pulled = np.einsum("nij,nj->ni", correlations, sizes)
        volatility = np.sqrt(np.maximum((sizes * pulled).sum(axis=1), 1e-300))
        scale = terms[:, 0] * np.sqrt(terms[:, 1] / 252.0)
        parts = scale[:, None] * sizes * pulled / volatility[:, None]
        parts[(names == "LIAR").any(axis=1)] *= 2.0
        words = np.array(["high" if risk > 0.1 else "low" for risk in scale * volatility], dtype=object)
        return {"risk": scale * volatility, "parts": parts, "word": words}

    def save(self, directory: Path) -> None:
        """Write that there is nothing to write."""
        (directory / "basket.json").write_text(json.dumps({}), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        return cls()
