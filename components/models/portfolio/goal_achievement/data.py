"""Dataset of the goal predictor: simulated savers whose portfolios earn what real securities returned.

A row is a saver on one month's end with a goal some months ahead. How they pay is simulated (see ``savers``), what
their portfolio earns is not: a few securities of the panel in equal parts beside cash, rebalanced monthly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.data.panel import build_panel
from components.errors import DataRejected
from components.finance.goals import MONTHS, FloatArray, future_value, wealth_path
from components.models.portfolio.goal_achievement.savers import Savers, simulate_savers
from components.models.portfolio.goal_achievement.schemas import HISTORY_MONTHS

if TYPE_CHECKING:
    import pandas as pd

SAVERS = 1800
SEED = 20_251_113
CASH = 0.04
"""Annual return of the part that is not in securities, decimal."""
SHORTEST_MONTHS, LEAST_LONGEST, MOST_LONGEST = 3, 5, 60
SHARE_AHEAD = 0.1
"""Longest horizon as a share of the panel's months: what is longer would be purged from every fold."""
HABITUAL_RETURN = 0.10
"""Annual stock return that savers believe in before they have seen any, decimal, with the weight of ten years."""
SHARE_GIVEN = 0.8
"""Of the optional inputs."""


@dataclass(frozen=True)
class MonthlyPanel:
    """Month-end closes as monthly simple returns.

    Attributes
    ----------
    times : ndarray of datetime64[ns], shape (months + 1,)
        Last time of each calendar month.
    returns : ndarray of shape (months, securities)
        Row ``i`` is known at ``times[i + 1]``.
    """

    times: npt.NDArray[np.datetime64]
    returns: FloatArray

    @classmethod
    def of(cls, bars: pd.DataFrame) -> MonthlyPanel:
        """Read the last close of every complete month.

        Raises
        ------
        DataRejected
            If there are fewer than 36 months.
        """
        panel = build_panel(bars)
        month = panel.times.astype("datetime64[M]")
        last = np.flatnonzero(month[1:] != month[:-1])
        if len(last) < 36:
            raise DataRejected(
                f"The panel covers {len(last)} whole months, goals need at least 36.", "Give a longer file."
            )
        close = panel.close[last]
        return cls(panel.times[last], close[1:] / close[:-1] - 1)


def build_dataset(
    features: Any, bars: pd.DataFrame, horizons: tuple[str, ...], savers: int = SAVERS, seed: int = SEED
) -> Dataset:
    """Simulate savers over the panel's history.

    Parameters
    ----------
    features : DataFrame
        Not used: a goal has none.
    bars : DataFrame
        A bars frame of at least three years of daily or longer bars.
    horizons : tuple of str
        Not used: every row has its own.
    savers, seed : int
        Rows, and the seed of every draw.

    Returns
    -------
    Dataset
        Targets: ``reached`` (1 where the amount on the target date was at least the target), ``amount`` (rupees),
        ``contribution_ratio`` (paid over planned at today's plan), ``log_growth`` and ``log_volatility`` (of the
        portfolio: mean and standard deviation of log returns per year; the latter's logarithm). Sorted by time.
    """
    panel, generator = MonthlyPanel.of(bars), np.random.default_rng(seed)
    start, ahead, tenure = _calls(len(panel.returns), savers, generator)
    months = int(ahead.max())
    first = _calendar_month(panel.times[start]) - HISTORY_MONTHS
    people = simulate_savers(first % 12 + 1, HISTORY_MONTHS + months, HISTORY_MONTHS, generator)
    share, earned = _portfolios(panel.returns, start, months, generator)
    inputs = _inputs(panel, people, start, ahead, tenure, share, earned, generator)
    targets = _targets(inputs["goal"], people, earned, ahead)
    order = np.argsort(start, kind="stable")
    names = np.array([f"saver-{i:04d}" for i in range(savers)], dtype=object)
    return Dataset(inputs, targets, panel.times[start], panel.times[start + ahead], names).take(order)


def _calls(months: int, savers: int, generator: np.random.Generator) -> tuple[npt.NDArray[np.int64], ...]:
    """Return where in the panel each row stands, how many months its goal is away, and how long it has saved."""
    longest = int(np.clip(months * SHARE_AHEAD, LEAST_LONGEST, MOST_LONGEST))
    ahead = generator.integers(SHORTEST_MONTHS, longest + 1, savers)
    start = generator.integers(1, months - ahead + 1)
    tenure = np.minimum(np.minimum(start, HISTORY_MONTHS), generator.integers(0, 2 * HISTORY_MONTHS, savers))
    return start, ahead, tenure


def _calendar_month(times: npt.NDArray[np.datetime64]) -> npt.NDArray[np.int64]:
    return times.astype("datetime64[M]").astype(np.int64) % 12 + 1


def _portfolios(
    returns: FloatArray, start: npt.NDArray[np.int64], months: int, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return each row's share in securities, and its portfolio's monthly returns before and after its time.

    Returns
    -------
    share : ndarray of shape (rows,)
    earned : ndarray of shape (rows, HISTORY_MONTHS + months)
        Where the panel has not begun or has ended: 0.
    """
    rows, names = len(start), returns.shape[1]
    share = generator.uniform(0.3, 1.0, rows)
    weights = np.zeros((rows, names))
    for row, held in enumerate(generator.integers(min(4, names), min(15, names) + 1, rows)):
        weights[row, generator.choice(names, held, replace=False)] = 1 / held
    at = start[:, None] + np.arange(-HISTORY_MONTHS, months)
    inside = (at >= 0) & (at < len(returns))
    stocks = np.einsum("rms,rs->rm", returns[np.where(inside, at, 0)], weights)
    cash = np.expm1(np.log1p(CASH) / MONTHS)
    return share, np.where(inside, share[:, None] * stocks + (1 - share[:, None]) * cash, 0.0)


def _inputs(
    panel: MonthlyPanel,
    people: Savers,
    start: npt.NDArray[np.int64],
    ahead: npt.NDArray[np.int64],
    tenure: npt.NDArray[np.int64],
    share: FloatArray,
    earned: FloatArray,
    generator: np.random.Generator,
) -> dict[str, npt.NDArray[Any]]:
    rows = len(start)
    market, volatility = _beliefs(panel.returns, start, generator)
    expected = CASH + share * (0.11 - CASH) + generator.normal(0, 0.025, rows)
    sip = people.planned[:, HISTORY_MONTHS]
    current = sip * np.exp(generator.normal(np.log(24), 1.0, rows)) * (generator.random(rows) < 0.9)
    target = future_value(current, sip, expected, ahead) * np.exp(generator.normal(0, 0.2, rows))
    known = np.arange(HISTORY_MONTHS) >= HISTORY_MONTHS - tenure[:, None]
    given = (generator.random((rows, 4)) < SHARE_GIVEN).astype(np.float64)
    given[:, 3] *= tenure > 0
    month = _calendar_month(panel.times[start + ahead])
    return {
        "goal": np.column_stack([target, current, ahead, month, sip, 100 * expected]),
        "contributions": np.where(known, people.paid[:, :HISTORY_MONTHS], 0.0),
        "portfolio_returns": np.where(known, 100 * earned[:, :HISTORY_MONTHS], 0.0),
        "history": np.column_stack([tenure, tenure, people.consistency * given[:, 3]]),
        "assumptions": 100 * np.column_stack([market, volatility, people.inflation]) * given[:, :3],
        "given": given,
    }


def _beliefs(
    returns: FloatArray, start: npt.NDArray[np.int64], generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Return what people expected of the market at each row's time: habit, and what the market had done by then."""
    market = returns.mean(axis=1)
    so_far = np.cumsum(market)[start - 1]
    years = start / MONTHS
    mean = (10 * HABITUAL_RETURN + so_far) / (10 + years) + generator.normal(0, 0.01, len(start))
    deviation = np.array([market[:n].std() if n >= 12 else 0.18 / np.sqrt(MONTHS) for n in start])
    volatility = deviation * np.sqrt(MONTHS) * np.exp(generator.normal(0, 0.1, len(start)))
    return mean, volatility


def _targets(
    goal: FloatArray, people: Savers, earned: FloatArray, ahead: npt.NDArray[np.int64]
) -> dict[str, npt.NDArray[Any]]:
    coming = np.arange(earned.shape[1] - HISTORY_MONTHS) < ahead[:, None]
    returns = np.where(coming, earned[:, HISTORY_MONTHS:], 0.0)
    paid = np.where(coming, people.paid[:, HISTORY_MONTHS:], 0.0)
    amount = wealth_path(goal[:, 1], paid, returns)[:, -1]
    logs = np.log1p(returns)
    mean = logs.sum(axis=1) / ahead
    variance = (np.where(coming, logs - mean[:, None], 0.0) ** 2).sum(axis=1) / (ahead - 1)
    return {
        "reached": (amount >= goal[:, 0]).astype(np.float64)[:, None],
        "amount": amount[:, None],
        "contribution_ratio": (paid.sum(axis=1) / (goal[:, 4] * ahead))[:, None],
        "log_growth": (mean * MONTHS)[:, None],
        "log_volatility": (0.5 * np.log(variance * MONTHS))[:, None],
    }
