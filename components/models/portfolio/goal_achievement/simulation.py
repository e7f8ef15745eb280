"""Monte Carlo of one plan: a path's wealth is linear in what is there and in what is paid, so it is simulated once.

On a path with cumulative growth ``G[t]`` a plan ends at ``W0 G[T] + sip ratio sum_t shape[t] G[T] / G[t]``. Growth is
log-normal with an uncertain drift::

    log G[t] = g t + sigma B[t] + drift_sd h(t) Z,    h(t) = m (1 - exp(-t / m))

with a Brownian motion ``B`` and one ``Z`` a path; the paid share ``ratio`` is one draw a path. The random numbers are
the same for every goal and every question about it (common random numbers), and come in antithetic pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt

from components.finance.goals import MONTHS, FloatArray
from components.models.portfolio.goal_achievement.beliefs import horizon_weight
from components.models.portfolio.goal_achievement.schemas import LONGEST_MONTHS


@dataclass(frozen=True)
class Draws:
    """Standard random numbers; path ``i`` and path ``i + paths / 2`` are an antithetic pair.

    Attributes
    ----------
    brownian : ndarray of shape (months, paths)
        Brownian motion at month ends, in years of time.
    drift : ndarray of shape (paths,)
        Standard normal.
    behaviour : ndarray of shape (paths,)
        Uniform on (0, 1), stratified.
    """

    brownian: FloatArray
    drift: FloatArray
    behaviour: FloatArray


@lru_cache(maxsize=4)
def draw(seed: int, paths: int, months: int = LONGEST_MONTHS) -> Draws:
    """Draw the random numbers of a seed; ``paths`` is even."""
    generator, half = np.random.default_rng(seed), paths // 2
    steps = generator.standard_normal((months, half)) / np.sqrt(MONTHS)
    brownian = np.cumsum(steps, axis=0)
    drift = generator.standard_normal(half)
    uniform = (generator.permutation(half) + 0.5) / paths
    return Draws(
        np.concatenate([brownian, -brownian], axis=1),
        np.concatenate([drift, -drift]),
        np.concatenate([uniform, 1 - uniform]),
    )


@dataclass(frozen=True)
class Plan:
    """One goal, and what is expected of its market and of its saver.

    Attributes
    ----------
    initial, target, sip : float
        Rupees; the planned monthly payment.
    shape : ndarray of shape (months,)
        Payment of each month relative to the average one.
    log_growth, volatility, drift_sd, memory : float
        Per year; memory in years.
    ratio, spread : float
        Expected share of the plan that is paid, and its standard deviation.
    residuals : ndarray of shape (quantiles,)
        Of the standardised share, at equal steps of probability from 0 to 1.
    least : float
        Smallest share on any path.
    """

    initial: float
    target: float
    sip: float
    shape: FloatArray
    log_growth: float
    volatility: float
    drift_sd: float = 0.0
    memory: float = 10.0
    ratio: float = 1.0
    spread: float = 0.0
    residuals: FloatArray | None = None
    least: float = 0.0

    @property
    def months(self) -> int:
        """Payments until the target date."""
        return len(self.shape)

    def saves(self, sip: float) -> Plan:
        """Return the same plan with another payment."""
        return replace(self, sip=sip)


class Simulation:
    """One plan on every path.

    Parameters
    ----------
    plan : Plan
    draws : Draws
    """

    def __init__(self, plan: Plan, draws: Draws) -> None:
        self.plan = plan
        self.paths: int = draws.brownian.shape[1]
        self._draws = draws
        time = np.arange(1, plan.months + 1) / MONTHS
        weight = plan.drift_sd * horizon_weight(time, plan.memory)
        # One buffer, negated and exponentiated in place: the discount factors are all that is needed of the paths.
        buffer = draws.brownian[: plan.months] * -plan.volatility
        buffer -= plan.log_growth * time[:, None]
        if plan.drift_sd > 0:
            buffer -= weight[:, None] * draws.drift
        self.discount: FloatArray = np.exp(buffer, out=buffer)

    @cached_property
    def ratio(self) -> FloatArray:
        """Paid share of the plan by path."""
        p = self.plan
        if p.spread <= 0 or p.residuals is None:
            return np.full(self.paths, p.ratio)
        grid = np.linspace(0, 1, len(p.residuals))
        share = p.ratio + p.spread * np.interp(self._draws.behaviour, grid, p.residuals)
        return np.maximum(share, p.least)

    def parts(self, month: int = 0, shift: float = 0.0) -> tuple[FloatArray, FloatArray]:
        """Return what the present amount becomes, and what one rupee of full monthly payments does, by path.

        Parameters
        ----------
        month : int
            When, months from now; 0 for the target date.
        shift : float
            Added to the log growth of every month.
        """
        month = month or self.plan.months
        growth = np.exp(shift * month) / self.discount[month - 1]
        weights = self.plan.shape[:month] * np.exp(-shift * np.arange(1, month + 1))
        return self.plan.initial * growth, growth * (weights @ self.discount[:month])

    def wealth(self, month: int = 0, shift: float = 0.0) -> FloatArray:
        """Return the amount by path; arguments as in :meth:`parts`."""
        lump, annuity = self.parts(month, shift)
        return lump + self.plan.sip * self.ratio * annuity

    def standard_error(self, values: FloatArray) -> float:
        """Return the standard error of a mean over the paths, from the means of antithetic pairs."""
        half = self.paths // 2
        pairs = (values[:half] + values[half:]) / 2
        return float(pairs.std(ddof=1) / np.sqrt(half))

    def share_error(self, amounts: FloatArray) -> float:
        """Return the standard error of the share of paths that reach the target, at least one path's share.

        At a chance of one half every antithetic pair has one success and one failure: the pairs then show no error at
        all, but the share is known to a path at best.
        """
        error = self.standard_error(reaches(amounts, self.plan.target).astype(np.float64))
        return error if error * self.paths > 1 else 1 / self.paths


def reaches(amounts: FloatArray, target: float) -> npt.NDArray[np.bool_]:
    """Return which paths reach a target, despite the last digit."""
    reached: npt.NDArray[np.bool_] = amounts >= target * (1 - 1e-12)
    return reached


def share_at_least(amounts: FloatArray, target: float) -> float:
    """Return the share of paths that reach a target."""
    return float(np.mean(reaches(amounts, target)))
