"""Outlook: what an allocation may earn in a year, from resampled blocks of past days with shrunk means."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.params import Params

YEAR, MONTH = 252, 21


@dataclass(frozen=True)
class Outlook:
    """The newest daily returns of the known securities.

    Attributes
    ----------
    returns : ndarray of shape (days, securities)
        Simple, decimal.
    params : Params
        Paths, blocks, seed and risk-free rate.
    """

    returns: FloatArray
    params: Params

    @cached_property
    def means(self) -> FloatArray:
        """Expected daily returns, shape (securities,): see :func:`shrink`."""
        return shrink(self.returns)

    @cached_property
    def paths(self) -> npt.NDArray[np.int64]:
        """Days of every simulated year: circular blocks, the same for every question, shape (paths, 252)."""
        days, block = len(self.returns), self.params.block
        count = -(-YEAR // block)
        starts = np.random.default_rng(self.params.seed).integers(0, days, (self.params.paths, count, 1))
        return ((starts + np.arange(block)) % days).reshape(self.params.paths, -1)[:, :YEAR]

    def contributions(self, place: npt.NDArray[np.int64], weights: FloatArray) -> FloatArray:
        """Return what each security adds to the expected annual return, decimal."""
        made: FloatArray = weights * self.means[place] * YEAR
        return made

    def performance(self, place: npt.NDArray[np.int64], weights: FloatArray) -> FloatArray:
        """Return annual return, volatility, Sharpe ratio and largest drawdown; the allocation is kept constant.

        Cash earns nothing. The return is the sum of :meth:`contributions`; volatility and drawdown are means over the
        simulated years.
        """
        annual = float(self.contributions(place, weights).sum())
        daily = np.einsum("di,i->d", self.returns[:, place], weights)
        years = (daily - daily.mean() + annual / YEAR)[self.paths]
        volatility = float(np.sqrt(years.var(axis=1, ddof=1).mean() * YEAR))
        value = np.cumprod(1 + years, axis=1)
        # The first value of a year is 1, before its first day.
        fall = 1 - value / np.maximum(np.maximum.accumulate(value, axis=1), 1.0)
        sharpe = (annual - self.params.risk_free) / volatility if volatility > 1e-9 else 0.0
        return np.array([annual, volatility, sharpe, float(fall.max(axis=1).mean())])

    def chance(self, place: npt.NDArray[np.int64], weights: FloatArray, other: FloatArray, costs: float) -> float:
        """Return the share of past months, with shrunk means, in which ``weights`` earned no less than ``other``.

        Parameters
        ----------
        place : ndarray of int, shape (securities,)
        weights, other : ndarray of shape (securities,)
            Shares, decimal.
        costs : float
            What ``weights`` costs more to reach, decimal.
        """
        excess = np.einsum("di,i->d", self.returns[:, place] - self._surplus[place], weights - other)
        total = np.concatenate([[0.0], np.cumsum(excess)])
        months = total[MONTH:] - total[:-MONTH]
        return float((months - costs >= -1e-12).mean())

    @cached_property
    def _surplus(self) -> Any:
        return self.returns.mean(axis=0) - self.means


def shrink(returns: FloatArray) -> FloatArray:
    """Shrink mean returns to their common mean, as far as chance explains their differences.

    Parameters
    ----------
    returns : ndarray of shape (days, securities)

    Notes
    -----
    James and Stein's positive-part estimator towards the grand mean (Efron and Morris 1975,
    doi:10.1080/01621459.1975.10479864), with the average sampling variance of a mean. It leaves the correlation of the
    means aside, and shrinks fully for fewer than four securities.
    """
    means = returns.mean(axis=0)
    common = means.mean()
    spread = float(((means - common) ** 2).sum())
    noise = float(returns.var(axis=0, ddof=1).mean()) / len(returns)
    kept = max(0.0, 1 - max(len(means) - 3, 0) * noise / spread) if spread > 0 and len(means) > 3 else 0.0
    made: FloatArray = common + kept * (means - common)
    return made
