"""One fold's part of the backtest: the model beside the baselines, calibrated on the same validation rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.data.dataset import Dataset
from components.evaluation.backtest import Backtest
from components.evaluation.baselines import Forecast, by_entity, ewma_volatility, moving_average, naive
from components.evaluation.regimes import Regimes
from components.evaluation.splits import Fold, Folds
from components.models.contract import FloatArray, Model, Outputs
from components.models.spec import ModelSpec


@dataclass(frozen=True)
class Context:
    """What every fold shares.

    A model whose outputs have ``current_<target>`` forecasts a path: its baselines start from the current value and its
    errors are relative to it. Any other model is compared with the mean of the training rows, in the target's unit.
    """

    spec: ModelSpec
    data: Dataset
    target: FloatArray

    @classmethod
    def of(cls, spec: ModelSpec, data: Dataset, folds: Folds) -> Context:
        """Check that the folds were made for this dataset.

        Raises
        ------
        ValueError
            If they were not.
        """
        if folds.rows != len(data):
            raise ValueError(f"the folds are of a dataset of {folds.rows} rows, this one has {len(data)}")
        target = np.asarray(data.targets[spec.target], dtype=np.float64).reshape(len(data), -1)
        return cls(spec, data, target)


def fold_backtest(
    context: Context, model: Model, fold: Fold, held: Mapping[str, FloatArray], tested: Mapping[str, FloatArray]
) -> Backtest:
    """Judge a blended model on one fold's test rows.

    Parameters
    ----------
    context : Context
        Shared by the folds.
    model : Model
        After :meth:`Model.combine` on the fold's validation rows.
    fold : Fold
        Row indices.
    held, tested : mapping of str to ndarray
        The candidates' predictions on validation and test rows.
    """
    spec, data = context.spec, context.data
    outputs = model.finish(tested, data.take(fold.test).inputs)
    forecast = _forecast(spec, outputs, len(fold.test))
    current = _current(context, model, held)
    rows = fold.test
    unit = np.ones((len(data), 1)) if current is None else current[:, None]
    if current is None:
        volatility, labels = None, np.full(len(rows), "", dtype=object)
    else:
        volatility = by_entity(current, data.entities, data.times, ewma_volatility)
        labels = Regimes.fit(volatility[fold.train]).label(volatility[rows])
    baselines = _baselines(context, fold, current, volatility, intervals=forecast.lower is not None)
    points = context.target[fold.train] - (_naive_point(context, fold, current)[fold.train])
    return Backtest(
        rows=rows,
        fold=np.full(len(rows), fold.number),
        times=data.times[rows],
        entities=data.entities[rows],
        regimes=labels,
        current=np.full((len(rows), 1), np.nan) if current is None else unit[rows],
        unit=unit[rows],
        actual=context.target[rows],
        model=forecast,
        baselines=baselines,
        naive_mae=np.tile(np.mean(np.abs(points) / unit[fold.train], axis=0), (len(rows), 1)),
        confidence=_optional(outputs, "confidence"),
        called_up=_called_up(outputs),
    )


def _baselines(
    context: Context, fold: Fold, current: FloatArray | None, volatility: FloatArray | None, intervals: bool
) -> dict[str, Forecast]:
    """Return the baselines; the first is the gate's."""
    point = _naive_point(context, fold, current)
    if current is None or volatility is None:
        return {"training_mean": _interval(context, fold, point, np.ones((len(point), 1)), intervals)}
    unit = current[:, None]
    mean = by_entity(current, context.data.entities, context.data.times, moving_average)[:, None]
    scaled = unit * volatility[:, None]
    drift = np.mean(context.target[fold.train] / unit[fold.train], axis=0)
    return {
        "random_walk": _interval(context, fold, point, unit, intervals),
        "random_walk_drift": _interval(context, fold, point * drift, unit, intervals),
        "moving_average": _interval(context, fold, np.broadcast_to(mean, point.shape), unit, intervals),
        "random_walk_ewma": _interval(context, fold, point, scaled, intervals),
    }


def _naive_point(context: Context, fold: Fold, current: FloatArray | None) -> FloatArray:
    if current is None:
        return np.broadcast_to(context.target[fold.train].mean(axis=0), context.target.shape)
    return np.broadcast_to(current[:, None], context.target.shape)


def _interval(context: Context, fold: Fold, point: FloatArray, scale: FloatArray, intervals: bool) -> Forecast:
    if not intervals:
        return Forecast(point[fold.test])
    held = fold.validation
    calibration = (context.target[held], point[held], scale[held])
    return naive(point[fold.test], scale[fold.test], calibration, context.spec.coverage)


def _forecast(spec: ModelSpec, outputs: Outputs, rows: int) -> Forecast:
    point, *ends = (np.asarray(outputs[name], dtype=np.float64).reshape(rows, -1) for name in spec.outputs)
    return Forecast(point, *ends) if len(ends) == 2 else Forecast(point)


def _current(context: Context, model: Model, held: Mapping[str, FloatArray]) -> FloatArray | None:
    """Return the current value of every row of the dataset, or None where the model states none.

    ``finish`` is pure and row-wise and the current value does not depend on the candidates, so zeros stand in for them.
    """
    name = f"current_{context.spec.target}"
    if name not in model.output_schema.names:
        return None
    rows = len(context.data)
    zeros = {candidate: np.zeros((rows, *values.shape[1:])) for candidate, values in held.items()}
    return np.asarray(model.finish(zeros, context.data.inputs)[name], dtype=np.float64).reshape(rows)


def _optional(outputs: Outputs, name: str) -> Any:
    return np.asarray(outputs[name], dtype=np.float64) if name in outputs else None


def _called_up(outputs: Outputs) -> Any:
    return np.asarray(outputs["direction"] == "up") if "direction" in outputs else None
