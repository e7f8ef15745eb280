"""What the market regime claims: it agrees with the dating, tells turbulence from calm, and cuts drawdowns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.evaluation.bootstrap import interval
from components.evaluation.calibration import reliability
from components.evaluation.judge import Claim, Judged
from components.models.contract import FloatArray
from components.models.markets.market_regime.course import BARS_PER_YEAR
from components.models.markets.market_regime.dating import BEAR, BULL, QUARTER, REGIMES

AGREEMENT: Final = 0.85
"""Document 1: "market regime detection accuracy > 85 %"."""

BLOCK, SAMPLES, SEED = QUARTER, 400, 7


def claims(judged: Judged) -> list[Claim]:
    """Return every claim; each is a statement about out-of-sample answers."""
    return [
        _agreement(judged, bear_only=False),
        _agreement(judged, bear_only=True),
        _volatility_ratio(judged),
        _drawdown_cut(judged),
        _calibration(judged),
    ]


def _agreement(judged: Judged, bear_only: bool) -> Claim:
    dated, called = judged.data.targets["regime"].argmax(axis=1), judged.outputs["probabilities"].argmax(axis=1)
    name = "agreement_bear" if bear_only else "agreement_three_regimes"
    what = "bear market or not" if bear_only else "bull, sideways or bear market"
    if bear_only:
        dated, called = (dated == BEAR).astype(int), (judged.outputs["probabilities"][:, BEAR] > 0.5).astype(int)
    share, recall, low, high = agreement(dated, called, judged)
    most = float(np.bincount(dated).max() / len(dated))
    chance = 1 / len(np.unique(dated))
    detail = (
        f"{share:.3f} of days agree with the ex-post dating ({what}), {AGREEMENT} is wanted; always naming the "
        f"commonest would agree on {most:.3f}. Mean recall is {recall:.3f} (90 % interval {low:.3f} to {high:.3f}; "
        f"{chance:.2f} is chance)."
    )
    return Claim(name, share >= AGREEMENT and low > chance, detail, share)


def agreement(
    dated: npt.NDArray[np.int64], called: npt.NDArray[np.int64], judged: Judged
) -> tuple[float, float, float, float]:
    """Return the share of days on which calls agree with dates, the mean recall over the regimes, and its interval.

    The interval is that of 90 % of block resamples; regimes that did not come have no recall.

    Parameters
    ----------
    dated, called : ndarray of int, shape (rows,)
        Of the judged rows.
    """
    kinds = np.unique(dated)
    parts = [by_day(hits, judged, np.sum) for k in kinds for hits in ((dated == k) & (called == k), dated == k)]
    sums = np.stack(parts, axis=1)

    def recall(rows: FloatArray) -> float:
        hits, days = rows.sum(axis=0).reshape(-1, 2).T
        return float(np.mean(hits[days > 0] / days[days > 0]))

    low, high = interval(recall, sums, BLOCK, SAMPLES, SEED)
    return float(np.mean(dated == called)), recall(sums), low, high


def _volatility_ratio(judged: Judged) -> Claim:
    ratio, low, high, bear, bull = volatility_ratio(judged)
    if not np.isfinite(ratio):
        return Claim("volatility_ratio", None, "Not both a bull and a bear market were called on these days.")
    detail = (
        f"The day after a bear call moves {ratio:.2f} times as much as the day after a bull call ({100 * bear:.2f} % "
        f"against {100 * bull:.2f} % a day; 90 % interval of the ratio {low:.2f} to {high:.2f})."
    )
    return Claim("volatility_ratio", low > 1, detail, ratio)


def volatility_ratio(judged: Judged) -> tuple[float, float, float, float, float]:
    """Return the ratio of next-day volatility under bear and bull calls, its 90 % interval, and both volatilities."""
    called = judged.outputs["probabilities"].argmax(axis=1)
    squared = judged.data.targets["next_return"][:, 0] ** 2
    parts = [
        by_day(values, judged, np.sum)
        for kind in (BEAR, BULL)
        for values in ((called == kind) * squared, called == kind)
    ]
    sums = np.stack(parts, axis=1)

    def ratio(rows: FloatArray) -> float:
        bear, bears, bull, bulls = rows.sum(axis=0)
        return float(np.sqrt(bear / bears / (bull / bulls))) if bears and bull else np.nan

    if not np.isfinite(ratio(sums)):
        return np.nan, np.nan, np.nan, np.nan, np.nan
    bear, bears, bull, bulls = sums.sum(axis=0)
    # A resample without a bear call says nothing about the ratio, which then counts as no difference.
    low, high = interval(lambda rows: float(np.nan_to_num(ratio(rows), nan=1.0)), sums, BLOCK, SAMPLES, SEED)
    return ratio(sums), low, high, float(np.sqrt(bear / bears)), float(np.sqrt(bull / bulls))


def _drawdown_cut(judged: Judged) -> Claim:
    cut = drawdown_cut(judged)
    detail = (
        f"Holding 1 - P(bear) of the market cuts its deepest drawdown from {cut.held:.1%} to {cut.ruled:.1%}, by "
        f"{cut.share:.1%} (90 % interval {cut.low:.1%} to {cut.high:.1%}), and changes the mean return by "
        f"{cut.cost:+.1%} a year, before costs; holding its mean exposure of {cut.exposure:.1%} all the time leaves "
        f"{cut.steady:.1%}."
    )
    return Claim("drawdown_cut", cut.low > 0 and cut.ruled < cut.steady, detail, cut.share)


@dataclass(frozen=True)
class DrawdownCut:
    """What holding ``1 - P(bear)`` of the market does to its deepest drawdown; all decimals.

    The rule holds its share from one close to the next, the rest in cash at no interest; entities in equal parts.

    Attributes
    ----------
    share, low, high : float
        Share of the deepest drawdown that is cut, and its 90 % block-bootstrap interval.
    held, ruled, steady : float
        Deepest drawdown of the market, of the rule, and of holding the rule's mean exposure all the time: less of
        everything is no skill.
    exposure : float
        That mean exposure.
    cost : float
        Change of the mean return a year.
    """

    share: float
    low: float
    high: float
    held: float
    ruled: float
    steady: float
    exposure: float
    cost: float


def drawdown_cut(judged: Judged) -> DrawdownCut:
    """Return how the exposure rule fared."""
    hold, move = 1 - judged.outputs["probabilities"][:, BEAR], judged.data.targets["next_return"][:, 0]
    simple, exposure = np.expm1(move), float(hold.mean())
    pair = np.stack([by_day(simple, judged), by_day(hold * simple, judged)], axis=1)

    def cut(rows: FloatArray) -> float:
        held, ruled = deepest_drawdown(rows[:, 0]), deepest_drawdown(rows[:, 1])
        return 1 - ruled / held if held > 0 else 0.0

    low, high = interval(cut, pair, BLOCK, SAMPLES, SEED)
    held, ruled, steady = (deepest_drawdown(r) for r in (pair[:, 0], pair[:, 1], exposure * pair[:, 0]))
    cost = float(BARS_PER_YEAR * (pair[:, 1].mean() - pair[:, 0].mean()))
    return DrawdownCut(cut(pair), low, high, held, ruled, steady, exposure, cost)


def deepest_drawdown(returns: FloatArray) -> float:
    """Return the deepest fall from a high of a wealth that started at 1, decimal and positive."""
    wealth = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return float(np.max(1 - wealth / np.maximum.accumulate(wealth)))


def _calibration(judged: Judged) -> Claim:
    errors = calibration_errors(judged)
    named = ", ".join(f"{name} {errors[name]:.3f}" for name in REGIMES)
    worst = max(errors.values())
    detail = f"Expected calibration errors: {named}; at most 0.1 is wanted, on the few spells that the days hold."
    return Claim("calibration", worst <= 0.1, detail, worst)


def calibration_errors(judged: Judged) -> dict[str, float]:
    """Return the expected calibration error of each regime's probability, decimal."""
    stated, dated = judged.outputs["probabilities"], judged.data.targets["regime"] > 0.5
    return {name: float(reliability(stated[:, k], dated[:, k])["ece"]) for k, name in enumerate(REGIMES)}


def by_day(values: npt.NDArray[Any], judged: Judged, how: Any = np.mean) -> FloatArray:
    """Return one value for each time, in order: entities of one day move together and are resampled together."""
    times, place = np.unique(judged.data.times, return_inverse=True)
    sums = np.bincount(place, weights=np.asarray(values, dtype=np.float64), minlength=len(times))
    shared = np.ones(len(times)) if how is np.sum else np.bincount(place, minlength=len(times))
    return np.asarray(sums / shared, dtype=np.float64)
