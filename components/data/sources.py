"""Where bars and market context come from: real data inside dependencies, or a file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pandas as pd

from components.data import embedded, embedded_stocks
from components.data.bars import tidy
from components.data.files import Convention, read_bars
from components.errors import ConfigurationError

EMBEDDED = "embedded"
SHIPPED = {EMBEDDED: embedded.bars, embedded_stocks.NAME: embedded_stocks.bars}
"""Sources that travel inside dependencies, by name."""


def load_bars(
    source: str = EMBEDDED,
    bar: str = "1d",
    until: str = "",
    *,
    stamps: Literal["auto", "start", "end"] = "auto",
    timezone: str = "UTC",
    without_volume: Literal["reject", "zero"] = "reject",
) -> pd.DataFrame:
    """Load open, high, low, close and volume as a bars frame (see :mod:`components.data.bars`).

    Nothing is repaired here: missing values and broken bars stay for
    :func:`components.data.quality.check_bars` to report.

    Parameters
    ----------
    source : str
        ``"embedded"`` (S&P 500 and NASDAQ, daily, 1999-2018), ``"embedded-stocks"`` (closes of 20 US stocks, daily,
        1990-2022) or the path of a CSV or Parquet file.
    bar : str
        Length of a bar: ``"1d"``, ``"1h"``, ``"30m"``, ``"15m"``, ``"5m"`` or ``"1m"``.
    until : str
        Keep what was known by then. A date means the end of that day (UTC), a date with time that moment; empty for
        all.
    stamps, timezone, without_volume
        How the file writes its times and whether it may lack volume: see :class:`components.data.files.Convention`.

    Returns
    -------
    DataFrame
        Prices adjusted for splits, not for dividends, where the file tells the splits.

    Raises
    ------
    DataRejected
        If the file is missing, empty, unreadable, lacks a column, or has text where a number belongs.
    ConfigurationError
        If ``bar`` or ``until`` cannot be understood, or the embedded source has no such bar.
    """
    if source in SHIPPED:
        if bar != "1d":
            raise ConfigurationError(
                f"The embedded source has daily bars only, {bar!r} was asked.", "Give the path of an intraday file."
            )
        frame = SHIPPED[source]()
    else:
        frame = read_bars(Path(source), Convention(bar, stamps, timezone, without_volume))
    if until:
        frame = frame[frame["timestamp"] <= _moment(until)]
    return tidy(frame)


def load_market(source: str = EMBEDDED) -> pd.DataFrame:
    """Load the market context of a source.

    Parameters
    ----------
    source : str
        As for :func:`load_bars`. Only the embedded source has a context; for a file the frame is empty, and
        :func:`components.features.price.compute_features` then uses neutral constants.

    Returns
    -------
    DataFrame
        ``timestamp`` (when known, UTC), ``vix`` (index points), ``breadth`` and ``dispersion`` (decimals), no NaN;
        ``vix_is_proxy`` says which VIX values are estimates (see :func:`components.data.embedded.market`).
    """
    return embedded.market() if source == EMBEDDED else embedded.no_market()


def _moment(until: str) -> pd.Timestamp:
    try:
        moment = pd.Timestamp(until)
    except ValueError as error:
        raise ConfigurationError(
            f"until={until!r} is not a date.", "Write it as 2018-12-31 or 2018-12-31T21:00."
        ) from error
    if moment.tzinfo is not None:
        moment = moment.tz_convert("UTC").tz_localize(None)
    whole_day = "T" not in until and ":" not in until
    return moment + pd.Timedelta(days=1) - pd.Timedelta(1, "ns") if whole_day else moment
