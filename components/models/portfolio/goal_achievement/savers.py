"""Simulated savers: how people pay into a plan. A stand-in, since no data set of the platform records it.

A saver plans a monthly amount and raises it once a year with inflation and a raise of their own. Months are missed in
spells (unemployment, a wedding), the less reliable the more often; some stop for good; many pay a bonus into the plan
in the month they get one, mostly around the fiscal year's end and Diwali. The consistency score is the share of planned
payments made in full over five years. Everything is drawn from one seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.finance.goals import FloatArray

BONUS_MONTHS = np.array([0.02, 0.02, 0.35, 0.10, 0.02, 0.02, 0.02, 0.02, 0.03, 0.15, 0.20, 0.05])
"""Probability of the calendar month, January first, in which a saver gets the yearly bonus."""
HALF_PAID = 0.15
"""Of the months in a spell, in how many at least half is paid."""
RAISE_MONTH = 4
"""Plans are raised in April, when the fiscal year begins."""
SCORED_MONTHS = 60


@dataclass(frozen=True)
class Savers:
    """Payments of savers over one stretch of months each.

    Attributes
    ----------
    paid, planned : ndarray of shape (savers, months)
        Rupees.
    consistency : ndarray of shape (savers,)
        Share of planned payments made in full, over five years that end with the history.
    inflation : ndarray of shape (savers,)
        The annual inflation that each expects and raises the plan by, decimal.
    """

    paid: FloatArray
    planned: FloatArray
    consistency: FloatArray
    inflation: FloatArray


def simulate_savers(
    first_month: npt.NDArray[np.int64], months: int, history: int, generator: np.random.Generator
) -> Savers:
    """Draw one saver for every given calendar month of a first payment.

    Parameters
    ----------
    first_month : ndarray of int, shape (savers,)
        1 to 12.
    months : int
        Length of the stretch.
    history : int
        How many of its months, at most 60, lie in the past. Some savers had stopped by then and do not say so.
    generator : Generator
        Source of every draw.
    """
    count = len(first_month)
    calendar = (first_month[:, None] - 1 + np.arange(months)) % 12 + 1
    reliability = generator.beta(5, 1.6, count)
    inflation = np.clip(generator.normal(0.05, 0.015, count), 0.01, 0.10)
    planned = _plans(calendar, inflation, history, generator)
    missed, stopped = _missed(reliability, months, generator), _stopped(reliability, months, generator)
    full = ~missed & ~stopped
    paid = np.where(full, planned * generator.normal(1.0, 0.03, (count, months)).clip(0.8, 1.2), 0.0)
    half = missed & ~stopped & (generator.random((count, months)) < HALF_PAID)
    paid = np.where(half, 0.5 * planned, paid)
    paid = paid + _bonuses(calendar, planned, full, generator)
    before = generator.binomial(SCORED_MONTHS - history, 1 - _share_missed(reliability))
    consistency = (before + full[:, :history].sum(axis=1)) / SCORED_MONTHS
    return Savers(paid, planned, consistency, inflation)


def _plans(
    calendar: npt.NDArray[np.int64], inflation: FloatArray, history: int, generator: np.random.Generator
) -> FloatArray:
    """Return planned amounts: log-normal today, raised or not every April."""
    count = len(calendar)
    raises = np.where(
        (calendar == RAISE_MONTH) & (generator.random(calendar.shape) < 0.6),
        np.maximum(inflation[:, None] + generator.normal(0.02, 0.02, calendar.shape), 0.0),
        0.0,
    )
    level = np.cumsum(np.log1p(raises), axis=1)
    today = np.exp(generator.normal(np.log(12_000), 0.7, count))
    at: FloatArray = today[:, None] * np.exp(level - level[:, [history]])
    return at


def _share_missed(reliability: FloatArray) -> FloatArray:
    entered = _spell_rate(reliability)
    share: FloatArray = entered / (entered + 0.45)
    return share


def _spell_rate(reliability: FloatArray) -> FloatArray:
    rate: FloatArray = 0.005 + 0.18 * (1 - reliability)
    return rate


def _missed(reliability: FloatArray, months: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return the months that lie in a spell without payments, a two-state Markov chain."""
    missed = np.zeros((len(reliability), months), dtype=np.bool_)
    now = generator.random(len(reliability)) < _share_missed(reliability)
    for month in range(months):
        draw = generator.random(len(reliability))
        now = np.where(now, draw >= 0.45, draw < _spell_rate(reliability))
        missed[:, month] = now
    return missed


def _stopped(reliability: FloatArray, months: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Return the months after a saver gave the plan up."""
    hazard = 0.001 + 0.012 * (1 - reliability) ** 2
    last = generator.geometric(hazard)
    stopped: npt.NDArray[np.bool_] = np.arange(months) >= last[:, None]
    return stopped


def _bonuses(
    calendar: npt.NDArray[np.int64], planned: FloatArray, full: npt.NDArray[np.bool_], generator: np.random.Generator
) -> FloatArray:
    count = len(calendar)
    month = 1 + generator.choice(12, size=count, p=BONUS_MONTHS / BONUS_MONTHS.sum())
    multiple = np.where(generator.random(count) < 0.6, generator.uniform(0.5, 2.0, count), 0.0)
    paid: FloatArray = np.where(full & (calendar == month[:, None]), multiple[:, None] * planned, 0.0)
    return paid
