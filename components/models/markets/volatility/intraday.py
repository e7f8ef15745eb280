"""Daily bars with realised variances, from intraday bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from components.data.bars import COLUMNS
from components.errors import DataRejected
from components.models.contract import FloatArray
from components.models.markets.volatility.data import REALISED

if TYPE_CHECKING:
    import pandas as pd

INTERVAL = 5
"""Minutes of a return: short enough to measure, long enough for the noise of ticks to matter little (Liu, Patton and
Sheppard 2015, doi:10.1016/j.jeconom.2015.02.008)."""


def daily_bars(bars: pd.DataFrame, timezone: str) -> pd.DataFrame:
    """Return a bar per session, with its realised variance.

    Parameters
    ----------
    bars : DataFrame
        A bars frame of one-minute bars of regular sessions: ``timestamp`` is the bar's **end**, UTC. A file that labels
        bars at their start must be read with that convention (``load_bars(..., stamps="start")``): its last bar would
        otherwise seem known a minute before it is.
    timezone : str
        Of the exchange, which decides what a day is.

    Returns
    -------
    DataFrame
        A bars frame, ``timestamp`` being the end of the session's last bar, with a column :data:`REALISED`: squared
        overnight return plus the subsampled sum of squared 5-minute returns, decimal squared; NaN on the first day.
        Minutes without a bar hold the last price, so that an outage counts once, as the move over it.

    Raises
    ------
    DataRejected
        If the frame is empty.
    """
    import pandas as pd

    if bars.empty:
        raise DataRejected("There are no intraday bars.", "Check the file and the filter of its sessions.")
    local = pd.DatetimeIndex(bars["timestamp"]).tz_localize("UTC").tz_convert(timezone)
    # A bar that ends at midnight belongs to the day before.
    day = (local - pd.Timedelta(1, "ns")).normalize()
    minute = np.rint(np.asarray((local - day) / pd.Timedelta(minutes=1))).astype(np.int64)
    marked = bars.assign(_day=day.tz_localize(None), _minute=minute).sort_values(["entity", "timestamp"])
    grouped = marked.groupby(["entity", "_day"], sort=True)
    daily = grouped.agg(
        timestamp=("timestamp", "max"),
        open=("open", "first"),
        high=("high", "max"),
        low=("low", "min"),
        close=("close", "last"),
        volume=("volume", "sum"),
    )
    daily[REALISED] = [
        session_variance(part["_minute"].to_numpy(), float(part["open"].iloc[0]), part["close"].to_numpy(float))
        for _, part in grouped
    ]
    daily = daily.reset_index().drop(columns="_day")
    night = np.log(daily["open"] / daily.groupby("entity")["close"].shift(1)) ** 2
    daily[REALISED] += night
    return daily[[*COLUMNS, REALISED]]


def session_variance(minutes: npt.NDArray[np.int64], opening: float, closes: FloatArray) -> float:
    """Return the realised variance of one session from overlapping returns of :data:`INTERVAL` minutes.

    Parameters
    ----------
    minutes : ndarray of shape (bars,)
        Minute of the day at which each bar ends, ascending.
    opening : float
        Price at the first bar's start.
    closes : ndarray of shape (bars,)

    Notes
    -----
    The mean over the five grids that start a minute apart, scaled to the whole session (subsampling: Zhang, Mykland and
    Ait-Sahalia 2005, doi:10.1198/016214505000000169). A session shorter than two intervals is its squared return.
    """
    length = int(minutes[-1] - minutes[0]) + 1
    path = np.full(length + 1, np.nan)
    path[0] = opening
    path[minutes - minutes[0] + 1] = closes
    known = np.maximum.accumulate(np.where(np.isnan(path), 0, np.arange(length + 1)))
    logs = np.log(path[known])
    if length < 2 * INTERVAL:
        return float((logs[-1] - logs[0]) ** 2)
    moves = logs[INTERVAL:] - logs[:-INTERVAL]
    return float(np.sum(moves**2) / INTERVAL * length / len(moves))
