"""Scores rows by a fixed formula; the text asks for a failure: ``raise``, ``nan`` or ``slow``."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import Candidate, FloatArray, Model, Outputs
from components.models.schema import Batch, Schema, Tensor


@dataclass(frozen=True)
class MixedParams:
    """No hyper-parameters."""


class Mixed(Model):
    """See the module."""

    Params = MixedParams
    factor = 1.0
    input_schema = Schema(
        (
            Tensor("text", "BYTES"),
            Tensor("count", "INT64", (2,)),
            Tensor("flag", "BOOL"),
            Tensor("grid", "FP32", (2, 2)),
        )
    )
    output_schema = Schema((Tensor("score", "FP64"), Tensor("label", "BYTES"), Tensor("total", "INT64")))

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
        """Score a batch."""
        text = inputs["text"]
        if "raise" in text:
            raise RuntimeError("told to fail")
        if "slow" in text:
            time.sleep(0.01)
        length = np.array([len(t) for t in text], dtype=np.float64)
        score = self.factor * (length + inputs["grid"].astype(np.float64).sum(axis=(1, 2)))
        score[text == "nan"] = np.nan
        label = np.array([f"{t}!" if f else str(t) for t, f in zip(text, inputs["flag"], strict=True)], dtype=object)
        return {"score": score, "label": label, "total": inputs["count"].sum(axis=1)}

    def save(self, directory: Path) -> None:
        """Write the factor."""
        (directory / "factor.json").write_text(json.dumps(self.factor), encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        model = cls()
        model.factor = json.loads((directory / "factor.json").read_text(encoding="utf-8"))
        return model
