"""The expert rubric that stands in for document 0's "expert ratings on portfolio quality": a simulated panel of raters.

No data set has such ratings, so nine raters are simulated. They share one rubric and differ as people do: in how much
each criterion weighs, in where "too concentrated" or "too volatile" begins, in leniency, and from one rating to the
next. A portfolio is rated by three of them in whole points from 0 to 100; its label is their mean. What a model learns
from these labels is this rubric and no more.

The four aspects are document 0's components, and their mean is the health score: its example's 85, 72, 80 and 75 make
78. No criterion breaks the directions of :data:`.columns.SIGNS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from components.models.contract import FloatArray
from components.models.portfolio.portfolio_health.columns import SECTORS, value

COMPONENTS: Final = ("diversification_score", "risk_management_score", "performance_score", "cost_efficiency_score")
RATERS, RATINGS = 9, 3
LENIENCY, NOISE = 2.5, 4.0
"""Standard deviation of a rater's habitual leniency, and of one rating around a rater's view, points."""
TASTE, THRESHOLD = 0.25, 0.12
"""Standard deviation of the logarithms of a rater's weights and thresholds."""
CHARGE = 150.0
"""Yearly fixed cost of one holding, rupees: depository and transaction charges of keeping and rebalancing it."""

WEIGHTS: Final[dict[str, tuple[float, ...]]] = {
    "diversification_score": (0.30, 0.25, 0.15, 0.15, 0.15),
    "risk_management_score": (0.30, 0.20, 0.10, 0.30, 0.10),
    "performance_score": (0.30, 0.20, 0.25, 0.10, 0.08, 0.07),
    "cost_efficiency_score": (0.45, 0.35, 0.20),
}
"""Usual weights of each component's criteria, in the order of the functions below."""


@dataclass(frozen=True)
class Rated:
    """Labels of portfolios.

    Attributes
    ----------
    components : ndarray of shape (portfolios, 4)
        Mean rating of the three raters, points of 0 to 100, in the order of :data:`COMPONENTS`.
    agreed : ndarray of shape (portfolios, 4)
        Mean view of all nine without the noise of single ratings: the ceiling of what can be learned.
    """

    components: FloatArray
    agreed: FloatArray

    @property
    def health(self) -> FloatArray:
        """Mean of the components, shape (portfolios,)."""
        mean: FloatArray = self.components.mean(axis=1)
        return mean


def rate(features: FloatArray, seed: int) -> Rated:
    """Let three of the nine raters rate each portfolio.

    Parameters
    ----------
    features : ndarray of shape (portfolios, 26)
        In the order and the units of ``FEATURES``.
    seed : int
        Of the ratings. The raters themselves are always the same nine.
    """
    views = np.stack([_view(features, rater) for rater in range(RATERS)])
    rng = np.random.default_rng([seed, 2])
    who = np.argsort(rng.random((len(features), RATERS)), axis=1)[:, :RATINGS]
    seen = views[who, np.arange(len(features))[:, None]]
    ratings = np.clip(np.rint(seen + NOISE * rng.standard_normal(seen.shape)), 0, 100)
    return Rated(ratings.mean(axis=1), views.mean(axis=0))


def score(features: FloatArray) -> FloatArray:
    """Return the four component scores of a rater without habits of his own, shape (portfolios, 4), points of 0 to 100.

    Parameters
    ----------
    features : ndarray of shape (portfolios, 26)
        In the order and the units of ``FEATURES``.
    """
    return _weigh(features, WEIGHTS, 1.0)


def _view(features: FloatArray, rater: int) -> FloatArray:
    """Return one rater's view before the noise of a single rating."""
    rng = np.random.default_rng([1994, rater])
    weights = {}
    for name, usual in WEIGHTS.items():
        own = np.array(usual) * np.exp(TASTE * rng.standard_normal(len(usual)))
        weights[name] = tuple(own / own.sum())
    scale = float(np.exp(THRESHOLD * rng.standard_normal()))
    return _weigh(features, weights, scale) + LENIENCY * rng.standard_normal(len(COMPONENTS))


def _weigh(features: FloatArray, weights: dict[str, tuple[float, ...]], scale: float) -> FloatArray:
    criteria = (_diversification, _risk_management, _performance, _cost_efficiency)
    columns = [
        100 * sum(w * c for w, c in zip(weights[name], found(features, scale), strict=True))
        for name, found in zip(COMPONENTS, criteria, strict=True)
    ]
    return np.stack(columns, axis=1)


def _diversification(x: FloatArray, scale: float) -> tuple[FloatArray, ...]:
    """Evenness of the holdings, largest sector, sectors together, number of sectors, number of asset classes."""
    sectors = np.stack([value(x, name) for name in SECTORS], axis=1) / 100
    return (
        _falls(np.log(value(x, "herfindahl_index")), np.log(0.16 * scale), 0.45),
        _falls(value(x, SECTORS[0]), 38 * scale, 9),
        _falls((sectors**2).sum(axis=1), 0.30 * scale, 0.07),
        1 - np.exp(-np.maximum(value(x, "num_sectors") - 1, 0) / 3),
        np.clip((value(x, "num_asset_classes") - 1) / 3, 0, 1) ** 0.7,
    )


def _risk_management(x: FloatArray, scale: float) -> tuple[FloatArray, ...]:
    """Volatility, drawdown and beta against what the profile bears; equity against what suits; gold not too much."""
    profile = value(x, "risk_profile")
    bears, gap = 1 + 0.6 * profile, value(x, "equity_percent") - suitable_equity(x)
    return (
        _falls(value(x, "volatility"), 9 * bears * scale, 2 * bears),
        _falls(value(x, "max_drawdown"), 16 * bears * scale, 4 * bears),
        _falls(value(x, "portfolio_beta"), 0.5 * bears * scale, 0.15),
        np.exp(-((gap / (28 * scale)) ** 2)),
        _falls(value(x, "gold_percent"), 20 * scale, 3),
    )


def suitable_equity(x: FloatArray) -> FloatArray:
    """Return the equity share, percent, that suits: 110 less age, more for the bold, less for what is needed soon."""
    base = np.clip(110 - value(x, "age") + 15 * (value(x, "risk_profile") - 1), 10, 90)
    suits: FloatArray = base * np.clip(np.sqrt(value(x, "investment_horizon") / 84), 0.15, 1.0)
    return suits


def _performance(x: FloatArray, scale: float) -> tuple[FloatArray, ...]:
    """Sharpe and Sortino ratio, and the returns over a year, six, three months and one."""
    return (
        1 - _falls(value(x, "sharpe_ratio"), 0.6 / scale, 0.35),
        1 - _falls(value(x, "sortino_ratio"), 0.9 / scale, 0.5),
        1 - _falls(value(x, "returns_1y"), 8 / scale, 6),
        1 - _falls(value(x, "returns_6m"), 4 / scale, 5),
        1 - _falls(value(x, "returns_3m"), 2 / scale, 4),
        1 - _falls(value(x, "returns_1m"), 0.5 / scale, 2.5),
    )


def _cost_efficiency(x: FloatArray, scale: float) -> tuple[FloatArray, ...]:
    """Fixed cost of the holdings against their value, idle cash, and holdings that cost but do not diversify.

    Document 0 lists no fee: what the inputs determine is what fragmentation and idle cash cost. The first criterion is
    the yearly drag of a fixed charge per holding, the second the cash beyond a reserve (more of one when the money is
    needed soon), the third the share of holdings that count (effective number over number).
    """
    holdings = value(x, "num_holdings")
    drag = 100 * CHARGE * holdings / value(x, "total_value")
    reserve = np.where(value(x, "investment_horizon") < 24, 15, 6) * scale
    effective = 1 / (value(x, "herfindahl_index") * holdings)
    return (
        _falls(np.log10(drag), np.log10(0.6 * scale), 0.25),
        _falls(value(x, "cash_percent"), reserve + 6, 3),
        1 - _falls(effective, 0.45 / scale, 0.12),
    )


def _falls(x: FloatArray, middle: FloatArray | float, width: FloatArray | float) -> FloatArray:
    """Return 1 far below ``middle``, one half there, 0 far above it."""
    share: FloatArray = 1 / (1 + np.exp(np.clip((x - middle) / width, -60, 60)))
    return share
