"""Times of a file as UTC, without guessing."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd

from components.errors import ConfigurationError, DataRejected


def to_utc(raw: pd.Series, where: str, timezone: str, *, sessions: bool = False, first_line: int = 0) -> pd.Series:
    """Return times as ``datetime64[ns]`` in UTC without a zone.

    Parameters
    ----------
    raw : Series
        Timestamps or text; with an offset, with a zone, or in ``timezone``.
    where : str
        Named in messages, for example ``"bars.csv: column 'date'"``.
    timezone : str
        Zone of times that carry none.
    sessions : bool
        Dates of sessions rather than moments: the calendar date as written is kept, and no zone is applied.
    first_line : int
        Added to row numbers in messages; 2 for a CSV file with a header.

    Raises
    ------
    DataRejected
        If a time is missing, cannot be read, or does not exist or is ambiguous in ``timezone``.
    ConfigurationError
        If there is no such zone.
    """
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigurationError(
            f"There is no time zone {timezone!r}.", "Use a name such as UTC or Asia/Kolkata."
        ) from error
    if sessions and not pd.api.types.is_datetime64_any_dtype(raw) and not pd.api.types.is_numeric_dtype(raw):
        raw = raw.astype("string").str.slice(0, 10)  # the date as written, whatever offset follows
    times = _parse(raw, where, first_line)
    if not sessions:
        if times.dt.tz is None:
            times = _localise(times, zone, where, first_line)
        times = times.dt.tz_convert("UTC")
    naive: pd.Series = times.dt.tz_localize(None).astype("datetime64[ns]")
    return naive


def _parse(raw: pd.Series, where: str, first_line: int) -> pd.Series:
    if pd.api.types.is_datetime64_any_dtype(raw):
        times = raw
    elif pd.api.types.is_numeric_dtype(raw):
        raise DataRejected(
            f"{where} holds numbers ({raw.iloc[0]!r} in row {first_line}), not times.",
            "Write times as 2018-12-31T16:00.",
        )
    else:
        text = raw.astype("string")
        # One offset per row is possible (daylight saving time), so rows with offsets are read as UTC.
        offsets = bool(text.str.contains(r"(?:[+-]\d{2}:?\d{2}|Z)$", na=False).any())
        times = pd.to_datetime(text, errors="coerce", utc=offsets, format="ISO8601")
    bad = np.flatnonzero(times.isna())
    if len(bad):
        raise DataRejected(
            f"{where} has no readable time in row {first_line + bad[0]}: {raw.iloc[bad[0]]!r} ({len(bad)} in all).",
            "Write times as 2018-12-31T16:00 (ISO 8601).",
        )
    return times


def _localise(times: pd.Series, zone: ZoneInfo, where: str, first_line: int) -> pd.Series:
    localised: pd.Series = times.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT")
    bad = np.flatnonzero(localised.isna())
    if len(bad):
        raise DataRejected(
            f"{where}: {times.iloc[bad[0]]} in row {first_line + bad[0]} is ambiguous or does not exist in {zone.key}.",
            "Write the times of the clock change with their offset from UTC.",
        )
    return localised
