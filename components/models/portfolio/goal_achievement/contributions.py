"""When in the year people pay in: trend and yearly seasonality of the population's contributions, by Prophet.

Plans grow from saver to saver at different levels, so the population is followed as house prices are, by matched pairs:
of everyone who paid in two months that follow each other, how much did the total change? Chained, the changes are an
index; Prophet takes it apart.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.finance.goals import MONTHS, FloatArray
from components.models.portfolio.goal_achievement.schemas import HISTORY_MONTHS, known_months

FEWEST_MONTHS = 24
"""Two years: fewer cannot tell a season from a trend."""
FEWEST_PAIRS = 3


@dataclass(frozen=True)
class Calendar:
    """How a year's contributions spread over its months.

    Attributes
    ----------
    season : tuple of float
        Factor of each calendar month, January first; they average 1.
    growth : float
        Log growth of the population's contributions per year.
    """

    season: tuple[float, ...] = (1.0,) * MONTHS
    growth: float = 0.0

    def shape(self, target_month: int, months: int) -> FloatArray:
        """Return what is paid at each coming month's end, relative to the average month; averages 1.

        Parameters
        ----------
        target_month : int
            Calendar month of the last payment, 1 to 12.
        months : int
            How many payments.
        """
        steps = np.arange(1, months + 1)
        factors = np.asarray(self.season)[(target_month - 1 - months + steps) % MONTHS]
        raw = factors * np.exp(self.growth * steps / MONTHS)
        shape: FloatArray = raw / raw.mean()
        return shape


def contribution_index(data: Dataset) -> tuple[npt.NDArray[np.datetime64], FloatArray]:
    """Chain the growth of matched savers' contributions month by month.

    Returns
    -------
    months : ndarray of datetime64[M]
        The longest stretch in which every month has pairs.
    log_index : ndarray of the same shape
        0 in the first month.
    """
    paid, known = data.inputs["contributions"], known_months(data.inputs["history"][:, 0])
    month = data.times.astype("datetime64[M]").astype(np.int64)[:, None] - np.arange(HISTORY_MONTHS - 1, -1, -1)
    paired = known[:, 1:] & known[:, :-1]
    first = int(month.min())
    place = (month[:, 1:] - first)[paired]
    size = int(month.max()) - first + 1
    before, after = (np.bincount(place, part[paired], size) for part in (paid[:, :-1], paid[:, 1:]))
    start, stop = _longest_run((np.bincount(place, minlength=size) >= FEWEST_PAIRS) & (before > 0) & (after > 0))
    change = np.log(after[start:stop] / before[start:stop])
    months = (first + np.arange(start - 1, stop)).astype("datetime64[M]")
    return months, np.concatenate([[0.0], np.cumsum(change)])


def _longest_run(flags: npt.NDArray[np.bool_]) -> tuple[int, int]:
    """Return where the longest run of true flags begins and ends."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    if not len(edges):
        return 0, 0
    starts, stops = edges[::2], edges[1::2]
    longest = int(np.argmax(stops - starts))
    return int(starts[longest]), int(stops[longest])


def fit_calendar(data: Dataset) -> Calendar:
    """Take the population's index apart into trend and season; flat where it is shorter than two years."""
    months, index = contribution_index(data)
    if len(months) < FEWEST_MONTHS:
        return Calendar()
    prophet = _fit_prophet(months, index)
    year = np.array([f"2001-{m:02d}-01" for m in range(1, MONTHS + 1)], dtype="datetime64[D]")
    season = np.exp(_component(prophet, year, "yearly"))
    ends = _component(prophet, np.array([months[0], months[-1]]), "trend")
    growth = float(ends[1] - ends[0]) / ((len(months) - 1) / MONTHS)
    return Calendar(tuple((season / season.mean()).tolist()), growth)


def _fit_prophet(months: npt.NDArray[np.datetime64], index: FloatArray) -> Any:
    import pandas as pd

    # Both at once: cmdstanpy sets its logger's level when it is first imported, which Prophet would do too late.
    import_module("cmdstanpy")
    from prophet import Prophet

    with _quiet():
        model = Prophet(
            yearly_seasonality=5,
            seasonality_prior_scale=1.0,
            weekly_seasonality=False,
            daily_seasonality=False,
            n_changepoints=4,
            uncertainty_samples=0,
        )
        frame = pd.DataFrame({"ds": months.astype("datetime64[ns]"), "y": index})
        return model.fit(frame, seed=7)


def _component(prophet: Any, days: npt.NDArray[np.datetime64], name: str) -> FloatArray:
    import pandas as pd

    values: FloatArray = prophet.predict(pd.DataFrame({"ds": days.astype("datetime64[ns]")}))[name].to_numpy(float)
    return values


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Stan out of the log: a failed line search, after which Prophet falls back to Newton's method, is no news."""
    loggers = [logging.getLogger(name) for name in ("cmdstanpy", "prophet", "prophet.plot")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
