"""How the health score is judged: squared error against the raters, and what the model promises about itself."""

from __future__ import annotations

from typing import Final

import numpy as np

from components.data.dataset import Dataset
from components.evaluation.calibration import reliability
from components.evaluation.judge import Claim, Figure, Judge, Judged
from components.evaluation.metrics import coverage, r2
from components.evaluation.plots.score_calibration import score_calibration
from components.models.contract import FloatArray, Outputs
from components.models.portfolio.portfolio_health.actions import ACTIONS, IMPROVING
from components.models.portfolio.portfolio_health.columns import matrix
from components.models.portfolio.portfolio_health.params import Params

WANTED_R2: Final = 0.70
"""Document 0, regression models: R2 above 0.70."""
WANTED_ECE: Final = 0.05
COVERAGE_TOLERANCE: Final = 0.03
ROUNDING: Final = 1e-4
"""Points that single precision may move a score by."""


def squared_error(outputs: Outputs, rows: Dataset) -> FloatArray:
    """Return the squared error of the health score, squared points, shape (rows,)."""
    error: FloatArray = (outputs["health_score"] - _raters(rows)) ** 2
    return error


def linear(history: Dataset, test: Dataset) -> Outputs:
    """Least squares on the same matrix that the members see."""
    coefficients = np.linalg.lstsq(_design(history), _raters(history), rcond=None)[0]
    return {"health_score": np.clip(_design(test) @ coefficients, 0.0, 100.0)}


def mean(history: Dataset, test: Dataset) -> Outputs:
    """The mean of what the raters have given so far."""
    return {"health_score": np.full(len(test), _raters(history).mean())}


def claims(judged: Judged) -> list[Claim]:
    """Return document 0's R2, monotonicity, coverage and the calibration of the confidence."""
    return [explained(judged), monotone(judged), covered(judged), calibrated(judged)]


def explained(judged: Judged) -> Claim:
    """R2 of the health score out of sample."""
    found = r2(_raters(judged.data), judged.outputs["health_score"])
    detail = f"R2 is {found:.3f} on {len(judged.loss):,} portfolios, document 0 wants more than {WANTED_R2:.2f}"
    return Claim("r2", found > WANTED_R2, detail, found)


def monotone(judged: Judged) -> Claim:
    """No action that only evens weights out, or only calms, lowers any portfolio's score."""
    columns = [i for i, action in enumerate(ACTIONS) if action.name in IMPROVING]
    changes = judged.outputs["counterfactual_change"][:, columns]
    wrong = int((changes < -ROUNDING).sum())
    detail = (
        f"{wrong} of {changes.size:,} re-scores fell where only concentration, or only volatility, drawdown and beta, "
        f"were lowered; the lowest change is {changes.min():+.2g} points"
    )
    return Claim("monotone", wrong == 0, detail, float(wrong))


def covered(judged: Judged) -> Claim:
    """Coverage of the conformal interval."""
    nominal = float(judged.params.get("coverage", Params().coverage))
    found = coverage(_raters(judged.data), judged.outputs["lower"], judged.outputs["upper"])
    detail = f"the {nominal:.0%} interval holds {found:.1%} of the raters' scores, tolerance {COVERAGE_TOLERANCE:.0%}"
    return Claim("coverage", abs(found - nominal) <= COVERAGE_TOLERANCE, detail.replace("%", " %"), found)


def calibrated(judged: Judged) -> Claim:
    """Expected calibration error of the confidence."""
    told = reliability(judged.outputs["confidence"], _right(judged))
    detail = (
        f"confidence {told['mean_probability']:.3f} on average, {told['frequency']:.3f} of the scores are within "
        f"{_within(judged):g} points; expected calibration error {told['ece']:.3f}, at most {WANTED_ECE:.2f} wanted"
    )
    return Claim("calibration", told["ece"] <= WANTED_ECE, detail, told["ece"])


def figures(judged: Judged) -> list[Figure]:
    """Return the scores against the raters', and confidence against frequency."""
    chart = score_calibration(
        _raters(judged.data), judged.outputs["health_score"], judged.outputs["confidence"], _within(judged)
    )
    return [Figure("Scores against the raters", chart)]


def _right(judged: Judged) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    near: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.sqrt(judged.loss) <= _within(judged)
    return near


def _within(judged: Judged) -> float:
    return float(judged.params.get("within", Params().within))


def _raters(rows: Dataset) -> FloatArray:
    health: FloatArray = rows.targets["rating"][:, 0]
    return health


def _design(rows: Dataset) -> FloatArray:
    seen = matrix(rows.inputs["features"]).astype(np.float64)
    return np.column_stack([np.ones(len(seen)), seen])


JUDGE = Judge(
    name="squared error of the health score",
    loss=squared_error,
    baselines={"linear_regression": linear, "mean": mean},
    claims=claims,
    figures=figures,
    unit="squared points",
)
