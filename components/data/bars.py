"""What a frame of bars looks like, and how long a bar lasts.

A *bars frame* has the columns of :data:`COLUMNS`, sorted by entity, then timestamp. ``timestamp`` is the bar's **end**
in UTC without a time zone: the first moment at which all of its values are known. Everything downstream relies on
that.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from components.errors import ConfigurationError

PRICES: Final = ("open", "high", "low", "close")
VALUES: Final = (*PRICES, "volume")
COLUMNS: Final = ("entity", "timestamp", *VALUES)

SESSION_CLOSE: Final = pd.Timedelta(hours=21)
"""Time of day (UTC) at which a daily bar counts as known: New York's winter close, later than Asia's and Europe's."""

TRADING_DAYS: Final = 252
"""Trading days per year."""

SESSION_MINUTES: Final = 390
"""Minutes of a New York session."""

BAR_LENGTHS: Final = {
    "1m": pd.Timedelta(minutes=1),
    "5m": pd.Timedelta(minutes=5),
    "15m": pd.Timedelta(minutes=15),
    "30m": pd.Timedelta(minutes=30),
    "1h": pd.Timedelta(hours=1),
    "1d": pd.Timedelta(days=1),
}


def bar_length(bar: str) -> pd.Timedelta:
    """Return how long a bar lasts.

    Raises
    ------
    ConfigurationError
        If the bar is not one of :data:`BAR_LENGTHS`.

    Examples
    --------
    >>> bar_length("5m")
    Timedelta('0 days 00:05:00')
    """
    if bar not in BAR_LENGTHS:
        raise ConfigurationError(f"There is no bar {bar!r}.", f"Use one of {', '.join(BAR_LENGTHS)}.")
    return BAR_LENGTHS[bar]


def bars_per_year(bar: str) -> float:
    """Return how many bars a year of 252 New York sessions has; 252 for ``"1d"``, 98,280 for ``"1m"``."""
    length = bar_length(bar)
    if bar == "1d":
        return float(TRADING_DAYS)
    return TRADING_DAYS * SESSION_MINUTES / (length / pd.Timedelta(minutes=1))


def tidy(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of :data:`COLUMNS`, sorted, with a fresh index."""
    ordered = frame.loc[:, list(COLUMNS)].sort_values(["entity", "timestamp"], kind="stable")
    return ordered.reset_index(drop=True)
