"""What position sizing claims: risk on target, honest forecasts, and levels that are reached as often as they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.evaluation.bootstrap import interval
from components.evaluation.judge import Claim, Judged
from components.models.contract import FloatArray
from components.models.portfolio.position_sizing.data import realised
from components.models.portfolio.position_sizing.model import Params
from components.models.portfolio.position_sizing.table import COLUMN
from components.models.portfolio.position_sizing.trust import NEAR

WANTED: Final = 0.1
"""How far realised risk may be from its target, decimal."""

REACHED: Final = 0.05
"""How far the share of reached levels may be from the stated one, decimal."""

BLOCK, SAMPLES, SEED = 4, 500, 7
"""Blocks of four months: volatility clusters."""


def target_risk(data: Dataset) -> FloatArray:
    """Return the volatility that was asked for, annualised decimal, shape (rows,)."""
    asked: FloatArray = data.inputs["account"][:, COLUMN["target_volatility"]]
    return asked


def portfolio_risk(position: FloatArray, data: Dataset) -> FloatArray:
    """Return the realised volatility of book and position together, annualised decimal, shape (rows,).

    Parameters
    ----------
    position : ndarray of shape (rows,)
        Weight, decimal.
    data : Dataset
        The same rows.
    """
    return realised(data.targets["book_returns"] + position[:, None] * data.targets["symbol_returns"])


def claims(judged: Judged) -> list[Claim]:
    """Return every claim; each is a statement about out-of-sample answers."""
    came = portfolio_risk(judged.outputs["recommended_position"] / 100, judged.data)
    return [
        _on_target(judged),
        _stated(judged, came),
        _reached(judged, "stop_loss", lambda path, level: path.min(axis=1) <= -level, _params(judged).stop),
        _reached(judged, "take_profit", lambda path, level: path.max(axis=1) >= level, _params(judged).take),
        _drawdown(judged),
        _confidence(judged, came),
    ]


def risk_ratio(ratio: FloatArray, times: npt.NDArray[Any]) -> tuple[float, float, float]:
    """Return the root mean square of realised over wanted risk, and its 90 % block-bootstrap interval.

    Parameters
    ----------
    ratio : ndarray of shape (rows,)
        Realised over wanted volatility.
    times : ndarray of shape (rows,)
        Rows of one time are resampled together.
    """
    order, place = np.unique(times, return_inverse=True)
    both = (ratio**2, np.ones(len(ratio)))
    sums = np.stack([np.bincount(place, weights=w, minlength=len(order)) for w in both], axis=1).astype(np.float64)

    def pooled(rows: FloatArray) -> float:
        total, count = rows.sum(axis=0)
        return float(np.sqrt(total / count))

    low, high = interval(pooled, sums, BLOCK, SAMPLES, SEED)
    return pooled(sums), low, high


def targeted(judged: Judged) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return realised over asked risk of the position that meets the target, and the rows whose book leaves room.

    Kelly's limit and the cash are left aside: they bind where the forecast is high, and judging only the rows where
    they do not would pick those where it was too low.
    """
    room = judged.outputs["volatility_position"] > 0
    came = portfolio_risk(judged.outputs["volatility_position"] / 100, judged.data)
    return came / target_risk(judged.data), room


def _on_target(judged: Judged) -> Claim:
    ratio, bound = targeted(judged)
    if not bound.any():
        return Claim("risk_on_target", None, "No book left room for a position.")
    pooled, low, high = risk_ratio(ratio[bound], judged.data.times[bound])
    detail = (
        f"Realised risk is {pooled:.3f} times its target (90 % interval {low:.3f} to {high:.3f}; median month "
        f"{np.median(ratio[bound]):.3f}) where the book leaves room, {bound.mean():.1%} of rows, before Kelly's limit "
        "and the cash; within 10 % is wanted."
    )
    return Claim("risk_on_target", abs(pooled - 1) <= WANTED, detail, pooled)


def _stated(judged: Judged, came: FloatArray) -> Claim:
    said = judged.outputs["expected_risk"] / 100
    some = said > 0
    if not some.any():
        return Claim("stated_risk", None, "No risk was stated in any row.")
    pooled, low, high = risk_ratio(came[some] / said[some], judged.data.times[some])
    detail = (
        f"Realised risk is {pooled:.3f} times what was stated (90 % interval {low:.3f} to {high:.3f}) in the "
        f"{some.mean():.1%} of rows with any; within 10 % is wanted."
    )
    return Claim("stated_risk", abs(pooled - 1) <= WANTED, detail, pooled)


def _reached(
    judged: Judged, name: str, hit: Callable[[FloatArray, FloatArray], npt.NDArray[np.bool_]], stated: float
) -> Claim:
    path = np.cumprod(1 + judged.data.targets["symbol_returns"], axis=1) - 1
    share = float(hit(path, judged.outputs[name] / 100).mean())
    detail = f"{share:.3f} of months reach the {name.replace('_', ' ')}, {stated:.2f} is stated; within 0.05 is wanted."
    return Claim(f"{name}_reached", abs(share - stated) <= REACHED, detail, share)


def _drawdown(judged: Judged) -> Claim:
    wealth = np.cumprod(1 + judged.data.targets["symbol_returns"], axis=1)
    high = np.maximum.accumulate(np.maximum(wealth, 1.0), axis=1)
    came = 100 * float((1 - wealth / high).max(axis=1).mean())
    said = float(judged.outputs["max_drawdown"].mean())
    detail = f"The mean maximum drawdown is {came:.2f} %, {said:.2f} % is expected; within a tenth of it is wanted."
    return Claim("drawdown_expected", abs(came / said - 1) <= WANTED, detail, came / said)


def _confidence(judged: Judged, came: FloatArray) -> Claim:
    said = judged.outputs["expected_risk"] / 100
    some = said > 0
    stated = float(judged.outputs["confidence"][some].mean()) if some.any() else 0.0
    near = np.abs(np.log(np.maximum(came[some], 1e-4) / said[some])) <= np.log(NEAR)
    share = float(near.mean()) if some.any() else 0.0
    detail = (
        f"Realised risk comes within a factor of {NEAR} of what was stated in {share:.3f} of rows, mean confidence is "
        f"{stated:.3f}; within 0.05 is wanted."
    )
    return Claim("confidence_calibrated", abs(share - stated) <= REACHED, detail, share - stated)


def _params(judged: Judged) -> Params:
    return Params(**judged.params)
