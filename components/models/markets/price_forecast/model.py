"""The price forecast: a blend of members with a random walk, conformal intervals and risk figures.

Serving imports numpy and ONNX Runtime only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import Candidate, FloatArray, Model, Outputs
from components.models.markets.price_forecast import present as presentation
from components.models.markets.price_forecast.blend import RANDOM_WALK, blend, fit_weights
from components.models.markets.price_forecast.direction import fit_platt, judge_direction
from components.models.markets.price_forecast.graph import ServedMembers
from components.models.markets.price_forecast.inputs import VARIANCES, Prepared, log_returns, prepare
from components.models.markets.price_forecast.intervals import Intervals, fit_intervals
from components.models.markets.price_forecast.params import Params as PriceForecastParams
from components.models.markets.price_forecast.risk import expected_drawdown, value_at_risk
from components.models.markets.price_forecast.schemas import input_schema, output_schema
from components.models.schema import Batch, Schema

MEMBERS = {
    "linear": "linear:Linear",
    "regularised": "regularised:Regularised",
    "xgboost": "boosting:Boosting",
    "lstm_attention": "lstm_attention:LstmAttention",
    "keras_lstm": "keras_lstm:KerasLstm",
}
"""Members by name; their modules are imported when one is trained, never when the model is served."""


@dataclass(frozen=True)
class Calibration:
    """What :meth:`PriceForecast.combine` learns from validation rows.

    Attributes
    ----------
    weights : dict of str to ndarray of shape (horizons,)
        Blend weights by member, the random walk included.
    intervals : Intervals
        Volatility blend and conformal quantiles.
    platt : ndarray of shape (horizons, 2)
        Calibration of the direction's confidence.
    suspend_above : float
        Volatility over the first horizon's bar, decimal, above which a prediction is marked suspended.
    """

    weights: dict[str, FloatArray]
    intervals: Intervals
    platt: FloatArray
    suspend_above: float


class PriceForecast(Model):
    """Price in 1 day, 5 days and 1 month, or at the next intraday bar, with intervals.

    The members forecast log returns; they are blended with a random walk by weights from validation rows. Intervals are
    split-conformal, scaled by a blend of volatility estimates. ``suspended`` marks rows whose volatility exceeds the
    99th percentile of the calibration rows (document 0: "disable predictions during high volatility"): the figures
    stay, so that whoever watches still sees them, but the product must not show them as a forecast.
    """

    Params: ClassVar[type] = PriceForecastParams
    params: PriceForecastParams

    def __init__(self, params: PriceForecastParams | None = None) -> None:
        super().__init__(params)
        self.calibration: Calibration | None = None
        self.members: ServedMembers | None = None

    @property
    def input_schema(self) -> Schema:
        """Features and window."""
        return input_schema()

    @property
    def output_schema(self) -> Schema:
        """Forecasts by horizon, and risk figures."""
        return output_schema(self.params)

    @property
    def weights(self) -> dict[str, list[float]]:
        """Blend weights by member, the random walk included; one per horizon, in the horizons' order."""
        return {member: weight.tolist() for member, weight in self._calibrated.weights.items()}

    @classmethod
    def candidates(cls, params: PriceForecastParams) -> Mapping[str, Callable[[], Candidate]]:
        """Factories of the untrained members that ``params.members`` names."""
        return {name: _factory(name, params) for name in params.members}

    def combine(self, predictions: Mapping[str, FloatArray], validation: Dataset) -> Self:
        """Learn blend weights, intervals and confidence from validation rows."""
        p = self.params
        x = prepare(validation.inputs, p.bars_per_year)
        actual = log_returns(validation.targets["price"], validation.inputs)
        width = x.scale * np.sqrt(p.steps)
        weights = fit_weights(predictions, actual, width, p.steps, p.blend_shrinkage)
        blended = blend(predictions, weights, actual.shape)
        platt = fit_platt(blended / width, actual > 0, p.steps)
        point, _, _ = judge_direction(blended, width, platt)
        intervals = fit_intervals(actual - point, x.variances, p.steps, p.coverage)
        sigma = intervals.sigma(x.variances, p.steps)
        limit = float(np.quantile(_bar_volatility(sigma, p.steps), p.suspend_quantile))
        self.calibration = Calibration(weights, intervals, platt, limit)
        return self

    def blend_target(self, data: Dataset) -> FloatArray:
        """Log returns, which the members predict."""
        return log_returns(data.targets["price"], data.inputs)

    def finish(self, predictions: Mapping[str, FloatArray], inputs: Batch) -> Outputs:
        """Turn the members' log returns into prices, intervals and risk figures."""
        return self._finish(predictions, prepare(inputs, self.params.bars_per_year))

    def predict(self, inputs: Batch) -> Outputs:
        """Predict a batch with one run of one graph."""
        if self.members is None:
            raise RuntimeError("The model has no members: call adopt(), or load() a saved model.")
        x = prepare(inputs, self.params.bars_per_year)
        return self._finish(self.members.predict(x, self.params.steps), x)

    def adopt(self, directories: Mapping[str, Path]) -> Self:
        """Merge the members that have any weight into one graph."""
        served = [name for name, weight in self._calibrated.weights.items() if name != RANDOM_WALK and weight.any()]
        self.members = ServedMembers.merge(directories, served)
        return self

    def save(self, directory: Path) -> None:
        """Write ``model.json`` and the members' graph."""
        if self.members is None:
            raise RuntimeError("The model has no members: call adopt() before save().")
        c = self._calibrated
        state = {
            "params": asdict(self.params),
            "weights": {name: weight.tolist() for name, weight in c.weights.items()},
            "intervals": {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(c.intervals).items()},
            "variances": VARIANCES,
            "platt": c.platt.tolist(),
            "suspend_above": c.suspend_above,
        }
        (directory / "model.json").write_text(json.dumps(state, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        self.members.save(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        state = json.loads((directory / "model.json").read_text(encoding="utf-8"))
        params: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in state["params"].items()}
        model = cls(PriceForecastParams(**params))
        intervals: dict[str, Any] = {
            k: np.array(v) if isinstance(v, list) else v for k, v in state["intervals"].items()
        }
        weights = {name: np.array(w) for name, w in state["weights"].items()}
        platt = np.array(state["platt"])
        model.calibration = Calibration(weights, Intervals(**intervals), platt, state["suspend_above"])
        model.members = ServedMembers.load(directory)
        return model

    @staticmethod
    def present(outputs: Outputs, row: int, horizons: Sequence[str] = PriceForecastParams.horizons) -> dict[str, Any]:
        """Return one row as document 0's JSON; see :func:`present.present`."""
        return presentation.present(outputs, row, horizons)

    @property
    def _calibrated(self) -> Calibration:
        if self.calibration is None:
            raise RuntimeError("The model is not calibrated: call combine(), or load() a saved model.")
        return self.calibration

    def _finish(self, predictions: Mapping[str, FloatArray], x: Prepared) -> Outputs:
        c, steps = self._calibrated, self.params.steps
        sigma = c.intervals.sigma(x.variances, steps)
        blended = blend(predictions, c.weights, sigma.shape)
        point, up, confidence = judge_direction(blended, x.scale * np.sqrt(steps), c.platt)
        return {
            "price": x.close * np.exp(point),
            "lower": x.close * np.exp(point - c.intervals.low * sigma),
            "upper": x.close * np.exp(point + c.intervals.high * sigma),
            "confidence": confidence,
            "direction": np.where(up, "up", "down").astype(np.object_),
            "current_price": x.close[:, 0].copy(),
            "volatility_forecast": sigma[:, -1] * np.sqrt(self.params.bars_per_year / steps[-1]) * 100,
            "max_expected_drawdown": expected_drawdown(sigma[:, -1]),
            "var_95": value_at_risk(point[:, -1], sigma[:, -1], c.intervals.tail_95[-1]),
            "suspended": _bar_volatility(sigma, steps) > c.suspend_above,
        }


def _bar_volatility(sigma: FloatArray, steps: FloatArray) -> FloatArray:
    volatility: FloatArray = sigma[:, 0] / np.sqrt(steps[0])
    return volatility


def _factory(name: str, params: PriceForecastParams) -> Callable[[], Candidate]:
    module, _, cls = MEMBERS[name].partition(":")

    def make() -> Candidate:
        member: Candidate = getattr(import_module(f"{__package__}.members.{module}"), cls)(params)
        return member

    return make
