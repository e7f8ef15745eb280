"""The few figures that the gate reads: against the baselines, and against the version in production."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.errors import InvalidRequest
from components.evaluation import metrics
from components.evaluation.backtest import Backtest
from components.evaluation.baselines import Forecast
from components.evaluation.hypothesis_tests import diebold_mariano
from components.evaluation.scoring import by_time, row_loss
from components.models.spec import ModelSpec
from components.registry.artifact import read_artifact

DRIFT = "random_walk_drift"
MIN_ROWS = 40
"""Fewest rows after production's training that a comparison is made on."""


def gate_figures(spec: ModelSpec, whole: Backtest, horizons: Sequence[str], steps: Sequence[int]) -> dict[str, Any]:
    """Compare the primary metric with the baselines over all horizons.

    Each horizon's loss is divided by the first baseline's mean loss there, so that a month does not outweigh a day;
    then the horizons are averaged, and the entities of one time.
    """
    metric, nominal = spec.gate.metric, spec.coverage
    first, reference = next(iter(whole.baselines.items()))
    scale = row_loss(whole, reference, metric, nominal).mean(axis=0)
    point_scale = row_loss(whole, reference, "rmse", nominal).mean(axis=0)

    def series(forecast: Forecast, metric: str, scale: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return by_time((row_loss(whole, forecast, metric, nominal) / scale).mean(axis=1), whole.times)

    loss = {name: series(f, metric, scale) for name, f in {"model": whole.model, **whole.baselines}.items()}
    points = {n: series(f, "rmse", point_scale) for n, f in {"model": whole.model, **whole.baselines}.items()}
    ends = [a for a in (whole.model.point, whole.model.lower, whole.model.upper) if a is not None]
    mean = {name: float(values.mean()) for name, values in loss.items()}
    figures: dict[str, Any] = {
        "metric": metric,
        "baseline": first,
        "alpha": spec.gate.alpha,
        "ratio": mean["model"] / mean[first],
        "test": diebold_mariano(loss["model"], loss[first], max(steps), spec.gate.alpha).to_dict(),
        "rmse_ratio": _rmse_ratio(points, first),
        "point_test": diebold_mariano(points["model"], points[first], max(steps), spec.gate.alpha).to_dict(),
        "drift": _drift(points, max(steps), spec.gate.alpha),
        "other_baselines": {n: mean["model"] / m for n, m in mean.items() if n not in ("model", first)},
        "other_tests": {
            n: diebold_mariano(loss["model"], v, max(steps), spec.gate.alpha).to_dict()
            for n, v in loss.items()
            if n not in ("model", first)
        },
        "all_finite": bool(all(np.isfinite(a).all() for a in ends)),
        "coverage": None,
        "coverage_horizon": horizons[0],
    }
    if whole.model.lower is not None and whole.model.upper is not None:
        figures["coverage"] = metrics.coverage(whole.actual[:, 0], whole.model.lower[:, 0], whole.model.upper[:, 0])
    return figures


def _rmse_ratio(points: Mapping[str, npt.NDArray[np.float64]], baseline: str) -> float:
    return float(np.sqrt(points["model"].mean() / points[baseline].mean()))


def _drift(points: Mapping[str, npt.NDArray[np.float64]], steps: int, alpha: float) -> dict[str, Any] | None:
    """Compare point forecasts with a constant drift, which is all that most forecasts of an index amount to."""
    if DRIFT not in points:
        return None
    test = diebold_mariano(points["model"], points[DRIFT], steps, alpha)
    return {"rmse_ratio": _rmse_ratio(points, DRIFT), "test": test.to_dict()}


def headline(figures: Mapping[str, Any], scores: Mapping[str, Any]) -> dict[str, float]:
    """Return the few numbers for a table of runs.

    Parameters
    ----------
    figures : mapping
        From :func:`gate_figures`.
    scores : mapping
        Metrics by horizon, from :func:`components.evaluation.scoring.score`.
    """
    table = {"loss_ratio": figures["ratio"], "rmse_ratio": figures["rmse_ratio"], "p_value": figures["test"]["p_value"]}
    wanted = ("rmse", "mae", "mase", "r2", "directional_accuracy", "coverage", "interval_score")
    for horizon, row in scores.items():
        table |= {f"{horizon}_{name}": row[name] for name in wanted if name in row}
    return {name: float(value) for name, value in table.items() if value is not None and np.isfinite(value)}


def production_figures(spec: ModelSpec, whole: Backtest, data: Dataset, production: Path | None) -> dict[str, Any]:
    """Compare with the version in production on rows after everything it was trained on.

    ``loss`` is the relative difference in mean loss, positive when the new version is worse. The new version's
    forecasts are those of the walk-forward folds, which may have seen less history than production has: the
    comparison is hard on it.
    """
    if production is None:
        return {"compared": False, "reason": "no version is in production yet"}
    artifact = read_artifact(production)
    until = artifact.metadata.get("trained_until")
    if until is None:
        return {"compared": False, "reason": "the production version does not say until when it was trained"}
    later = whole.take(whole.times > np.datetime64(until))
    facts = {"trained_until": until, "rows": len(later.rows)}
    if len(later.rows) < MIN_ROWS:
        reason = (
            f"not compared with production, because only {len(later.rows)} out-of-sample rows follow its training "
            f"(until {until[:10]}; {MIN_ROWS} are needed)"
        )
        return {"compared": False, "reason": reason, **facts}
    inputs = data.take(later.rows).inputs
    try:
        artifact.input_schema.validate(inputs)
    except InvalidRequest as error:
        return {"compared": False, "reason": f"production takes other inputs ({error.problem})", **facts}
    outputs = artifact.load_model(spec).predict(inputs)
    ends = [np.asarray(outputs[n], dtype=np.float64).reshape(len(later.rows), -1) for n in spec.outputs]
    if ends[0].shape != later.actual.shape:
        return {"compared": False, "reason": "production forecasts other horizons", **facts}
    theirs = row_loss(later, Forecast(*ends), spec.gate.metric, spec.coverage)
    ours = row_loss(later, later.model, spec.gate.metric, spec.coverage)
    ratio = float((ours.mean(axis=0) / theirs.mean(axis=0)).mean())
    return {"compared": True, "reason": "", "metric": spec.gate.metric, "loss": ratio - 1, **facts}
