"""What the forest and the network share: they score every portfolio as it is and after each action."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.models.contract import FloatArray
from components.models.onnx_graphs import open_session
from components.models.portfolio.portfolio_health.actions import scenes
from components.models.portfolio.portfolio_health.columns import matrix
from components.models.portfolio.portfolio_health.params import Params
from components.models.portfolio.portfolio_health.rubric import COMPONENTS
from components.models.schema import Batch

Float32 = npt.NDArray[np.float32]
PARITY_ROWS = 512
"""Validation rows on which an exported graph is compared with the native model."""


class Member(ABC):
    """One member: predicts the four components, monotone as ``SIGNS`` says, by its construction.

    Parameters
    ----------
    params : Params
        Hyper-parameters of the whole model.
    """

    name: ClassVar[str]

    def __init__(self, params: Params) -> None:
        self.params = params
        self.facts: dict[str, Any] = {}
        self._check: Float32 | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn from ``train``; ``validation`` only checks the exported graph: nothing is stopped early."""
        ratings = train.targets["rating"][:, 1:]
        self._fit(matrix(train.inputs["features"]), ratings)
        self._check = matrix(validation.inputs["features"])[-PARITY_ROWS:]
        self.facts |= {"rows": len(train), "seed": self.params.seed}
        return self

    def predict(self, inputs: Batch) -> FloatArray:
        """Return the components of every scene, shape (rows, (1 + actions) * 4): see :func:`.actions.scenes`."""
        seen = scenes(inputs["features"])
        scored = self._predict(matrix(seen.reshape(-1, seen.shape[2])))
        return scored.astype(np.float64).reshape(len(seen), -1)

    def save(self, directory: Path) -> None:
        """Write one graph per output of :meth:`export`, and ``member.json`` with their largest difference."""
        assert self._check is not None, "fit before save"
        graphs = self.export()
        answers = []
        for name, graph in graphs.items():
            (directory / f"{name}.onnx").write_bytes(graph)
            answers.append(open_session(graph).run(None, {"features": self._check})[0])
        gap = np.abs(np.concatenate(answers, axis=1) - self._predict(self._check))
        facts = {**self.facts, "name": self.name, "outputs": COMPONENTS, "onnx_max_abs_diff": float(gap.max())}
        (directory / "member.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")

    @abstractmethod
    def _fit(self, x: Float32, ratings: FloatArray) -> None:
        """Learn from the matrix of shape (rows, 26) and ratings of shape (rows, 4), points."""

    @abstractmethod
    def _predict(self, x: Float32) -> FloatArray:
        """Return components, shape (rows, 4), points."""

    @abstractmethod
    def export(self) -> dict[str, bytes]:
        """Return the ONNX graphs by name: input ``features``, outputs that stand side by side as the components."""
