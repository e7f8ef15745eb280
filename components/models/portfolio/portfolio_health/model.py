"""The portfolio health score: random forests and a neural network, monotone by construction, with counterfactuals.

Serving imports numpy and ONNX Runtime only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import Candidate, FloatArray, Model, Outputs
from components.models.portfolio.portfolio_health.actions import scenes, targets
from components.models.portfolio.portfolio_health.calibration import Calibration, calibrate
from components.models.portfolio.portfolio_health.categories import categorise
from components.models.portfolio.portfolio_health.params import Params as HealthParams
from components.models.portfolio.portfolio_health.rubric import COMPONENTS
from components.models.portfolio.portfolio_health.schemas import input_schema, output_schema
from components.models.portfolio.portfolio_health.served import ServedMembers
from components.models.schema import Batch, Schema


class PortfolioHealth(Model):
    """Health of a portfolio, 0 to 100, its four components, and what each of twelve actions would make of it.

    The health score is the mean of the components. A blend with weights from 0 to 1 of members that are monotone is
    monotone, and so are clipping and the mean: no more concentrated, more volatile or deeper-fallen portfolio scores
    higher, everything else equal.
    """

    Params: ClassVar[type] = HealthParams
    params: HealthParams

    def __init__(self, params: HealthParams | None = None) -> None:
        super().__init__(params)
        self.calibration: Calibration | None = None
        self.members: ServedMembers | None = None

    @property
    def input_schema(self) -> Schema:
        """The features."""
        return input_schema()

    @property
    def output_schema(self) -> Schema:
        """Scores, interval, confidence, category and counterfactuals."""
        return output_schema()

    @property
    def weights(self) -> dict[str, list[float]]:
        """Blend weights by member, one per component."""
        forest = self._calibrated.weights
        return {"forest": forest.tolist(), "network": (1 - forest).tolist()}

    @classmethod
    def candidates(cls, params: HealthParams) -> Mapping[str, Callable[[], Candidate]]:
        """Factories of the two untrained members."""

        def forest() -> Candidate:
            from components.models.portfolio.portfolio_health.forest import Forest

            return Forest(params)

        def network() -> Candidate:
            from components.models.portfolio.portfolio_health.network import Network

            return Network(params)

        return {"forest": forest, "network": network}

    def combine(self, predictions: Mapping[str, FloatArray], validation: Dataset) -> Self:
        """Learn blend weights, interval and confidence from validation rows."""
        members = {name: _shaped(values)[:, 0] for name, values in predictions.items()}
        ratings = validation.targets["rating"][:, 1:]
        self.calibration = calibrate(members, ratings, self.params.coverage, self.params.within)
        return self

    def finish(self, predictions: Mapping[str, FloatArray], inputs: Batch) -> Outputs:
        """Turn the members' components of every scene into the outputs."""
        return self._finish(predictions, scenes(inputs["features"]))

    def predict(self, inputs: Batch) -> Outputs:
        """Predict a batch, every action of every row included, with one run of one graph."""
        if self.members is None:
            raise RuntimeError("The model has no members: call adopt(), or load() a saved model.")
        seen = scenes(inputs["features"])
        return self._finish(self.members.predict(seen), seen)

    def adopt(self, directories: Mapping[str, Path]) -> Self:
        """Merge the members into one graph."""
        self.members = ServedMembers.merge(directories)
        return self

    def save(self, directory: Path) -> None:
        """Write ``model.json`` and the members' graph."""
        if self.members is None:
            raise RuntimeError("The model has no members: call adopt() before save().")
        state = {"params": asdict(self.params), "calibration": self._calibrated.to_dict()}
        (directory / "model.json").write_text(json.dumps(state, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        self.members.save(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        state: dict[str, Any] = json.loads((directory / "model.json").read_text(encoding="utf-8"))
        model = cls(HealthParams(**state["params"]))
        model.calibration = Calibration.from_dict(state["calibration"])
        model.members = ServedMembers.load(directory)
        return model

    def _finish(self, predictions: Mapping[str, FloatArray], seen: FloatArray) -> Outputs:
        c = self._calibrated
        members = {name: _shaped(values) for name, values in predictions.items()}
        components = c.blend(members)
        health = components.mean(axis=2)
        expected = c.expected_error({name: values[:, 0] for name, values in members.items()})
        return {
            "health_score": health[:, 0],
            "components": components[:, 0],
            "lower": np.maximum(health[:, 0] - c.width * expected, 0.0),
            "upper": np.minimum(health[:, 0] + c.width * expected, 100.0),
            "confidence": c.confidence(expected),
            **categorise(health[:, 0]),
            "counterfactual_score": health[:, 1:],
            "counterfactual_change": health[:, 1:] - health[:, :1],
            "counterfactual_target": targets(seen),
        }

    @property
    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise RuntimeError("The model is not calibrated: call combine(), or load() a saved model.")
        return self.calibration


def _shaped(values: FloatArray) -> FloatArray:
    """Return a member's flat predictions as (rows, 1 + actions, 4)."""
    return values.reshape(len(values), -1, len(COMPONENTS))
