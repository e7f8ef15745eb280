"""Which sessions an exchange held, from exchange-calendars."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pandas as pd

from components.errors import ConfigurationError


def sessions(calendar: str, first: pd.Timestamp, last: pd.Timestamp) -> pd.DatetimeIndex:
    """Return the dates on which the exchange traded, first and last included.

    Parameters
    ----------
    calendar : str
        A name of exchange-calendars, such as ``"XNYS"`` (New York) or ``"XBOM"`` (Mumbai).
    """
    days = _calendar(calendar, first.year, last.year).sessions
    inside: pd.DatetimeIndex = days[(days >= first.normalize()) & (days <= last.normalize())]
    return inside


def last_known(calendar: str, moment: pd.Timestamp) -> pd.Timestamp:
    """Return the latest instant up to ``moment`` (UTC, no zone) at which the exchange was open, or its last close."""
    opened = _calendar(calendar, moment.year - 1, moment.year).schedule
    opened = opened[opened["open"].dt.tz_localize(None) <= moment]
    closed: pd.Timestamp = opened["close"].iloc[-1].tz_localize(None)
    return min(moment, closed)


@lru_cache(maxsize=8)
def _calendar(name: str, first_year: int, last_year: int) -> Any:
    import exchange_calendars
    from exchange_calendars.errors import InvalidCalendarName

    try:
        return exchange_calendars.get_calendar(name, start=f"{first_year}-01-01", end=f"{last_year}-12-31")
    except InvalidCalendarName as error:
        raise ConfigurationError(
            f"There is no exchange calendar {name!r}.", "Use a name of exchange-calendars, such as XNYS or XBOM."
        ) from error
