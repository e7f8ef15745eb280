"""The market's state as it was known when a bar ended."""

from __future__ import annotations

import pandas as pd

from components.errors import DataRejected
from components.features.definitions import MARKET, MARKET_NEUTRAL

MAX_AGE = pd.Timedelta(days=7)
"""Oldest market row that still stands for now; longer than any closure of New York since 1933."""


def market_features(timestamps: pd.Series, market: pd.DataFrame) -> pd.DataFrame:
    """Return the latest market row known at each timestamp (at it, or before; never after).

    Parameters
    ----------
    timestamps : Series of datetime64[ns]
        Ends of bars.
    market : DataFrame
        ``timestamp``, ``vix``, ``breadth``, ``dispersion``; without rows, the constants of
        :data:`components.features.definitions.MARKET_NEUTRAL` are returned: they carry no information.

    Returns
    -------
    DataFrame
        The columns of :data:`MARKET`, row by row as ``timestamps``; NaN before the first market row.

    Raises
    ------
    DataRejected
        If a bar lies more than :data:`MAX_AGE` after the newest market row before it.
    """
    if market.empty:
        return pd.DataFrame(MARKET_NEUTRAL, index=range(len(timestamps)))
    known = market.sort_values("timestamp").astype({"timestamp": "datetime64[ns]"})
    known = known.assign(vix_change=_vix_change(known), as_of=known["timestamp"])
    asked = pd.DataFrame({"timestamp": timestamps.astype("datetime64[ns]").to_numpy(), "row": range(len(timestamps))})
    joined = pd.merge_asof(
        asked.sort_values("timestamp"), known[["timestamp", "as_of", *MARKET]], on="timestamp", direction="backward"
    )
    stale = joined[joined["timestamp"] - joined["as_of"] > MAX_AGE]
    if len(stale):
        first = stale.iloc[0]
        raise DataRejected(
            f"The bar of {first['timestamp']} has no market context newer than {first['as_of']} ({len(stale)} bars).",
            "Extend the market frame, end the bars earlier (until), or pass an empty market frame for neutral values.",
        )
    return joined.sort_values("row")[list(MARKET)].reset_index(drop=True)


def _vix_change(known: pd.DataFrame) -> pd.Series:
    """Return the change between sessions; 0 where the index replaces its proxy, which is no move of the market."""
    change = known["vix"].diff()
    if "vix_is_proxy" not in known:
        return change
    return change.mask(known["vix_is_proxy"].diff().fillna(0.0) != 0, 0.0)
