"""Bars from CSV and Parquet files, with one clear message for whatever is wrong with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from components.data.bars import COLUMNS, PRICES, SESSION_CLOSE, VALUES, bar_length
from components.data.stamps import to_utc
from components.errors import DataRejected

ENTITY_NAMES = ("entity", "symbol", "ticker", "index")
START_NAMES = ("ts_bar_start", "bar_start")
END_NAMES = ("timestamp", "ts_bar_end", "bar_end", "datetime", "time", "date")
SPLITS = "split_coefficient"
SHOWN = 3


@dataclass(frozen=True)
class Convention:
    """How a file writes its bars.

    Attributes
    ----------
    bar : str
        Length of a bar.
    stamps : str
        Whether times name a bar's ``"start"`` or its ``"end"``. ``"auto"`` goes by the column's name: ``ts_bar_start``
        and ``bar_start`` are starts, all others ends. A start is moved by one bar's length, since the bar is known
        only then. Daily bars are dated by session and known at 21:00 UTC, whatever is said here.
    timezone : str
        Zone of times that carry none, for example ``"Asia/Kolkata"``.
    without_volume : str
        ``"zero"`` takes a file without volume (an index) with volume 0; ``"reject"`` does not.
    """

    bar: str = "1d"
    stamps: Literal["auto", "start", "end"] = "auto"
    timezone: str = "UTC"
    without_volume: Literal["reject", "zero"] = "reject"


def read_bars(path: Path, convention: Convention) -> pd.DataFrame:
    """Read a file as a bars frame, unsorted.

    Columns are found by name without regard to case: ``open, high, low, close, volume``, a time (:data:`START_NAMES` or
    :data:`END_NAMES`) and an entity (:data:`ENTITY_NAMES`; without one the file's name is the entity). Where there is a
    ``split_coefficient`` (new shares per old share on that day), prices and volumes are adjusted for later splits.

    Raises
    ------
    DataRejected
        See :func:`components.data.sources.load_bars`.
    """
    bar_length(convention.bar)
    raw = _read(path)
    raw.columns = [str(c).strip().lower() for c in raw.columns]
    first_line = 2 if ".csv" in path.suffixes else 0
    stamp = _time_column(raw, path)
    frame = pd.DataFrame({"entity": _entity(raw, path)})
    frame["timestamp"] = _known_at(raw[stamp], stamp, path, convention, first_line)
    for name in VALUES:
        frame[name] = _numbers(raw, name, path, convention, first_line)
    _require_spacing(frame, path, convention.bar)
    if SPLITS in raw.columns:
        frame = adjust_splits(frame, _column_of_numbers(raw[SPLITS], SPLITS, path, first_line))
    return frame[list(COLUMNS)]


def adjust_splits(frame: pd.DataFrame, coefficients: pd.Series) -> pd.DataFrame:
    """Divide prices by, and multiply volume with, the product of all later split coefficients of the entity.

    Parameters
    ----------
    frame : DataFrame
        Bars as they were traded.
    coefficients : Series
        New shares per old share on each row's day, 1.0 for none; the row's own prices are already after the split.
    """
    order = frame.sort_values(["entity", "timestamp"]).index
    entity = frame.loc[order, "entity"]
    ratio = coefficients.loc[order].fillna(1.0)
    if (ratio <= 0).any():
        raise DataRejected(
            f"A split coefficient is {ratio.min()}.", "Write new shares per old share, 1.0 for no split."
        )
    later = ratio[::-1].groupby(entity[::-1]).cumprod()[::-1] / ratio
    adjusted = frame.copy()
    for name in PRICES:
        adjusted[name] = frame[name] / later.reindex(frame.index)
    adjusted["volume"] = frame["volume"] * later.reindex(frame.index)
    return adjusted


def _read(path: Path) -> pd.DataFrame:
    import pyarrow as pa

    if not path.is_file():
        raise DataRejected(f"There is no file {path}.", "Give the path of a CSV or Parquet file, or `embedded`.")
    if path.stat().st_size == 0:
        raise DataRejected(f"{path} is empty (0 bytes).", "Export it again.")
    try:
        if path.suffix in (".parquet", ".pq"):
            frame = pd.read_parquet(path)
        elif ".csv" in path.suffixes:
            frame = pd.read_csv(path, low_memory=False)
        else:
            raise DataRejected(f"{path} has the unknown format {path.suffix!r}.", "Use .csv, .csv.gz or .parquet.")
    except (pa.ArrowException, pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, EOFError) as error:
        raise DataRejected(f"{path} cannot be read ({error}).", "It may be truncated; export it again.") from error
    if frame.empty:
        raise DataRejected(f"{path} has a header but no rows.", "Export it again.")
    return frame.reset_index(drop=True)


def _time_column(raw: pd.DataFrame, path: Path) -> str:
    for name in (*START_NAMES, *END_NAMES):
        if name in raw.columns:
            return name
    raise _missing(
        "timestamp", raw, path, f"Name the bar's end one of {', '.join(END_NAMES)}, or its start ts_bar_start."
    )


def _entity(raw: pd.DataFrame, path: Path) -> pd.Series:
    for name in ENTITY_NAMES:
        if name in raw.columns:
            if raw[name].isna().any():
                row = int(np.flatnonzero(raw[name].isna())[0])
                raise DataRejected(f"{path}: column {name!r} is empty in row {row}.", "Name the security in every row.")
            return raw[name].astype(str)
    return pd.Series(path.name.split(".")[0].upper(), index=raw.index)


def _known_at(raw: pd.Series, name: str, path: Path, convention: Convention, first_line: int) -> pd.Series:
    daily = convention.bar == "1d"
    times = to_utc(raw, f"{path}: column {name!r}", convention.timezone, sessions=daily, first_line=first_line)
    if daily:
        known: pd.Series = times.dt.normalize() + SESSION_CLOSE
        return known
    start = convention.stamps == "start" or (convention.stamps == "auto" and name in START_NAMES)
    return times + bar_length(convention.bar) if start else times


def _numbers(raw: pd.DataFrame, name: str, path: Path, convention: Convention, first_line: int) -> pd.Series:
    if name == "volume" and convention.without_volume == "zero" and (name not in raw.columns or raw[name].isna().all()):
        return pd.Series(0.0, index=raw.index)
    if name not in raw.columns:
        hint = " For an index that has none, load it with without_volume='zero'." if name == "volume" else ""
        raise _missing(name, raw, path, f"A file of bars needs {', '.join(VALUES)}.{hint}")
    return _column_of_numbers(raw[name], name, path, first_line)


def _column_of_numbers(raw: pd.Series, name: str, path: Path, first_line: int) -> pd.Series:
    numbers: pd.Series = pd.to_numeric(raw, errors="coerce").astype(float)
    bad = np.flatnonzero((numbers.isna() & raw.notna()) | np.isinf(numbers))
    if len(bad):
        where = "line" if first_line else "row"
        shown = ", ".join(f"{where} {first_line + i}: {raw.iloc[i]!r}" for i in bad[:SHOWN])
        more = f" and {len(bad) - SHOWN} more" if len(bad) > SHOWN else ""
        raise DataRejected(
            f"{path}: column {name!r} has text where a number belongs ({shown}{more}).",
            "Write plain numbers such as 1234.5; leave a missing value empty.",
        )
    return numbers


def _missing(name: str, raw: pd.DataFrame, path: Path, remedy: str) -> DataRejected:
    return DataRejected(f"{path} has no column {name!r}; it has {', '.join(raw.columns)}.", remedy)


def _require_spacing(frame: pd.DataFrame, path: Path, bar: str) -> None:
    """Refuse a file whose bars are visibly of another length: its starts would be moved to the wrong end."""
    step = frame.sort_values("timestamp").groupby("entity")["timestamp"].diff()
    step = step[step > pd.Timedelta(0)]
    if bar == "1d":
        stamps = frame.drop_duplicates(["entity", "timestamp"])
        if len(frame) > 5 * len(stamps):
            raise DataRejected(
                f"{path} has {len(frame) / len(stamps):.0f} rows per security and day: its bars are not daily.",
                "Say how long they are with bar, for example bar='5m'.",
            )
    elif len(step) and step.median() != bar_length(bar):
        raise DataRejected(
            f"{path}: bars are {step.median()} apart (median), not {bar_length(bar)}.",
            "Say how long they are with bar, for example bar='5m'.",
        )
