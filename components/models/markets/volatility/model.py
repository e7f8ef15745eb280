"""The volatility forecast: GARCH, GJR, log-HAR and boosted trees, blended in log variance.

Serving imports numpy and ONNX Runtime only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Final, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import Candidate, FloatArray, Model, Outputs
from components.models.markets.volatility.blend import Blend, fit_blend
from components.models.markets.volatility.calibration import Calibration, fit_calibration
from components.models.markets.volatility.cone import cone, percentile, rolling_volatility
from components.models.markets.volatility.inputs import MIN_VARIANCE, past_variances
from components.models.markets.volatility.members.base import Member
from components.models.markets.volatility.members.boosting import Boosting
from components.models.markets.volatility.members.garch import GarchT, GjrT
from components.models.markets.volatility.members.log_har import LogHar
from components.models.markets.volatility.params import Params as VolatilityParams
from components.models.markets.volatility.schemas import input_schema, output_schema
from components.models.schema import Batch, Schema

MONTH: Final = 21


class Volatility(Model):
    """Realised volatility over the next day, week and month.

    The members forecast the log of the mean daily variance. Their blend is the mean variance, which QLIKE and a risk
    model want; what is shown as ``volatility`` is the median of realised volatility, with a conformal interval.
    """

    Params: ClassVar[type] = VolatilityParams
    params: VolatilityParams

    def __init__(self, params: VolatilityParams | None = None) -> None:
        super().__init__(params)
        self.blend: Blend | None = None
        self.calibration: Calibration | None = None
        self.members: dict[str, Member] = {}

    @property
    def input_schema(self) -> Schema:
        """Features, window and realised variances."""
        return input_schema()

    @property
    def output_schema(self) -> Schema:
        """Forecasts by horizon, and the cone."""
        return output_schema(self.params)

    @property
    def weights(self) -> dict[str, list[float]]:
        """Blend weights by member, one per horizon."""
        blend, _ = self._learned
        return {name: weight.tolist() for name, weight in blend.weights.items()}

    @classmethod
    def candidates(cls, params: VolatilityParams) -> Mapping[str, Callable[[], Candidate]]:
        """Factories of the untrained members that ``params.members`` names."""
        return {name: _factory(name, params) for name in params.members}

    def blend_target(self, data: Dataset) -> FloatArray:
        """Log variances, which the members predict."""
        return np.log(np.maximum(data.targets["realised_variance"], MIN_VARIANCE))

    def combine(self, predictions: Mapping[str, FloatArray], validation: Dataset) -> Self:
        """Learn blend, intervals and confidence from validation rows."""
        p = self.params
        realised = np.exp(self.blend_target(validation))
        independent = len(np.unique(validation.times)) / p.days
        blend = fit_blend(predictions, realised, independent, p.blend_shrinkage, p.level_deviation)
        spread = blend.spread(predictions)
        self.calibration = fit_calibration(
            blend.log_variance(predictions), realised, spread, independent, p.coverage, p.tolerance
        )
        self.blend = blend
        return self

    def finish(self, predictions: Mapping[str, FloatArray], inputs: Batch) -> Outputs:
        """Turn the members' log variances into the outputs."""
        blend, calibration = self._learned
        past = past_variances(inputs)
        log_variance = blend.log_variance(predictions)
        volatility, lower, upper = calibration.volatility(log_variance)
        return {
            "volatility": volatility,
            "lower": lower,
            "upper": upper,
            "confidence": calibration.confidence(blend.spread(predictions)),
            "variance": np.exp(log_variance),
            "percentile": percentile(past, self.params.days, volatility),
            "cone": cone(past, self.params.days),
            "current_volatility": rolling_volatility(past[:, -MONTH:], MONTH)[:, 0],
        }

    def predict(self, inputs: Batch) -> Outputs:
        """Predict a batch."""
        if not self.members:
            raise RuntimeError("The model has no members: call adopt(), or load() a saved model.")
        return self.finish({name: member.predict(inputs) for name, member in self.members.items()}, inputs)

    def adopt(self, directories: Mapping[str, Path]) -> Self:
        """Read the members back from where they were saved."""
        self.members = {name: member_class(name).load(path, self.params) for name, path in directories.items()}
        return self

    def save(self, directory: Path) -> None:
        """Write ``model.json`` and the members."""
        blend, calibration = self._learned
        state = {
            "params": asdict(self.params),
            "members": list(self.members),
            "weights": self.weights,
            "blend_level": blend.level.tolist(),
            "calibration": {name: value.tolist() for name, value in asdict(calibration).items()},
        }
        (directory / "model.json").write_text(json.dumps(state, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        for member in self.members.values():
            member.save(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        state = json.loads((directory / "model.json").read_text(encoding="utf-8"))
        params: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in state["params"].items()}
        model = cls(VolatilityParams(**params))
        weights = {name: np.array(weight) for name, weight in state["weights"].items()}
        model.blend = Blend(weights, np.array(state["blend_level"]))
        model.calibration = Calibration(**{name: np.array(value) for name, value in state["calibration"].items()})
        return model.adopt(dict.fromkeys(state["members"], directory))

    @property
    def _learned(self) -> tuple[Blend, Calibration]:
        if self.blend is None or self.calibration is None:
            raise RuntimeError("The model is not calibrated: call combine(), or load() a saved model.")
        return self.blend, self.calibration


def _factory(name: str, params: VolatilityParams) -> Callable[[], Candidate]:
    return lambda: member_class(name)(params)


def member_class(name: str) -> type[Member]:
    """Return the class of a member."""
    known: dict[str, type[Member]] = {member.name: member for member in (GarchT, GjrT, LogHar, Boosting)}
    return known[name]
