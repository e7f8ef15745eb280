"""How good predictions were, from those whose outcome is known; a figure that cannot be computed is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
TRADING_DAYS = 252
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Joined:
    """Predictions with their outcomes; arrays of one length, NaN or None where something is not known.

    Attributes
    ----------
    predicted, actual, reference : ndarray of float
        Predicted and actual value, and the value that the prediction started from.
    confidence : ndarray of float
        How sure the model was, 0 to 1.
    predicted_class, actual_class : ndarray of object
        Classes as text.
    day : ndarray of datetime64[D]
        When the prediction was made, UTC.
    one_day : ndarray of bool
        Whether it was for the next day, so that its returns do not overlap with the next day's.
    """

    predicted: Floats
    actual: Floats
    reference: Floats
    confidence: Floats
    predicted_class: npt.NDArray[np.object_]
    actual_class: npt.NDArray[np.object_]
    day: npt.NDArray[np.datetime64]
    one_day: npt.NDArray[np.bool_]


def figures(rows: Joined) -> dict[str, Any]:
    """Return the columns of model_performance_metrics that outcomes decide."""
    return {**class_figures(rows), **error_figures(rows), **financial_figures(rows)}


def error_figures(rows: Joined) -> dict[str, Any]:
    """Return the errors of values, in the values' unit; MAPE in percent, None when an actual value is zero."""
    known = np.isfinite(rows.predicted) & np.isfinite(rows.actual)
    predicted, actual = rows.predicted[known], rows.actual[known]
    error = predicted - actual
    if not len(error):
        names = ("mean_absolute_error", "root_mean_squared_error", "mean_absolute_percentage_error")
        return {**dict.fromkeys(names), "prediction_distribution": None, "error_distribution": None}
    whole = bool(np.all(actual != 0))
    return {
        "mean_absolute_error": float(np.mean(np.abs(error))),
        "root_mean_squared_error": float(np.sqrt(np.mean(error**2))),
        "mean_absolute_percentage_error": float(100 * np.mean(np.abs(error / actual))) if whole else None,
        "prediction_distribution": distribution(predicted),
        "error_distribution": distribution(error),
    }


def class_figures(rows: Joined) -> dict[str, Any]:
    """Return accuracy, precision, recall and F1, the latter three as means over the classes that occur.

    The class is the one that was predicted, or else the direction from the reference value. The area under the ROC
    curve needs directions with a confidence, and rises as well as falls.
    """
    predicted, actual = classes(rows)
    names = ("accuracy", "precision", "recall", "f1_score", "auc_roc")
    if not len(predicted):
        return dict.fromkeys(names)
    scores = []
    for name in sorted({*predicted, *actual}):
        hit = float(np.sum((predicted == name) & (actual == name)))
        said, true = float(np.sum(predicted == name)), float(np.sum(actual == name))
        scores.append((hit / said if said else 0.0, hit / true if true else 0.0, 2 * hit / (said + true)))
    precision, recall, f1 = np.mean(scores, axis=0)
    told = (float(np.mean(predicted == actual)), float(precision), float(recall), float(f1), area(rows))
    return dict(zip(names, told, strict=True))


def financial_figures(rows: Joined) -> dict[str, Any]:
    """Return what following the directions would have earned, before costs, in equal parts per day.

    A return is the actual change relative to the reference value, with the predicted direction's sign. Sharpe ratio
    (zero risk-free rate) and volatility are annualised with 252 days from daily means; they and the drawdown take
    one-day predictions only, since longer ones overlap, and two days at least. The win rate is in percent, the rest
    decimal.
    """
    names = ("average_return", "win_rate", "sharpe_ratio", "volatility", "max_drawdown")
    known = np.isfinite(rows.predicted) & np.isfinite(rows.actual) & (rows.reference > 0)
    if not known.any():
        return dict.fromkeys(names)
    reference = rows.reference[known]
    earned = np.sign(rows.predicted[known] - reference) * (rows.actual[known] - reference) / reference
    told: dict[str, Any] = {
        "average_return": float(earned.mean()),
        "win_rate": float(100 * np.mean(earned > 0)),
        **dict.fromkeys(names[2:]),
    }
    short = rows.one_day[known]
    days, place = np.unique(rows.day[known][short], return_inverse=True)
    if len(days) < 2:
        return told
    daily = np.bincount(place, earned[short]) / np.bincount(place)
    spread = float(daily.std(ddof=1))
    wealth = np.concatenate([[1.0], np.cumprod(1 + daily)])
    told["volatility"] = spread * TRADING_DAYS**0.5
    told["sharpe_ratio"] = float(daily.mean()) / spread * TRADING_DAYS**0.5 if spread > 0 else None
    told["max_drawdown"] = float(np.max(1 - wealth / np.maximum.accumulate(wealth)))
    return told


def classes(rows: Joined) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.object_]]:
    """Return predicted and actual class of the rows that have both: as told, else ``up``, ``down`` or ``flat``."""
    predicted, actual = rows.predicted_class.copy(), rows.actual_class.copy()
    told = np.array([p is not None and a is not None for p, a in zip(predicted, actual, strict=True)], dtype=bool)
    moved = ~told & np.isfinite(rows.predicted) & np.isfinite(rows.actual) & np.isfinite(rows.reference)
    names = np.array(["down", "flat", "up"], dtype=object)
    for into, value in ((predicted, rows.predicted), (actual, rows.actual)):
        into[moved] = names[np.sign(value[moved] - rows.reference[moved]).astype(int) + 1]
    return predicted[told | moved], actual[told | moved]


def area(rows: Joined) -> float | None:
    """Return the area under the ROC curve of rises, scored by the confidence in one: Mann and Whitney's statistic."""
    from scipy.stats import rankdata

    known = np.isfinite(rows.confidence) & np.isfinite(rows.predicted) & np.isfinite(rows.actual)
    known &= np.isfinite(rows.reference) & (rows.actual != rows.reference) & (rows.predicted != rows.reference)
    rose = rows.actual[known] > rows.reference[known]
    rises, falls = int(rose.sum()), int((~rose).sum())
    if not rises or not falls:
        return None
    said_up = rows.predicted[known] > rows.reference[known]
    score = np.where(said_up, rows.confidence[known], 1 - rows.confidence[known])
    return float((rankdata(score)[rose].sum() - rises * (rises + 1) / 2) / (rises * falls))


def distribution(values: Floats) -> dict[str, float]:
    """Return count, mean, standard deviation and some quantiles."""
    told = {f"p{round(100 * q):02d}": float(v) for q, v in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)}
    return {"count": len(values), "mean": float(values.mean()), "std": float(values.std()), **told}
