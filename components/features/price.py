"""compute_features: the only code path from bars to features, for training, materialisation and serving alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.data.bars import VALUES, bars_per_year, tidy
from components.errors import DataRejected
from components.features import indicators
from components.features.definitions import MARKET, NAMES, WARM_UP, WINDOW_LENGTH
from components.features.market import market_features
from components.features.rolling import Array
from components.features.volatility import volatilities
from components.features.window import price_windows


def compute_features(bars: pd.DataFrame, market: pd.DataFrame, *, bar: str = "1d") -> pd.DataFrame:
    """Compute every feature of every bar that has enough history.

    Each row uses its own security's bars up to itself and market rows known by its timestamp, nothing else; columns of
    ``bars`` beyond those of a bars frame are ignored. The first :data:`~components.features.definitions.WARM_UP` bars
    of a security, and bars before the first market row, have no features and are left out.

    Parameters
    ----------
    bars : DataFrame
        A checked bars frame (see :mod:`components.data.bars`), in any order.
    market : DataFrame
        As :func:`components.data.sources.load_market` returns it; may be empty.
    bar : str
        Length of a bar, which sets the annualisation (252 daily bars a year).

    Returns
    -------
    DataFrame
        ``entity``, ``timestamp``, the columns of :data:`~components.features.definitions.FEATURES` (float64) and
        ``window`` (float32 arrays of 60 x 5 values, oldest bar first: see
        :func:`components.features.window.price_windows`), sorted by entity and timestamp.

    Raises
    ------
    DataRejected
        If no security has more than ``WARM_UP`` bars, a value is missing or not positive, or the market frame ends too
        early.
    """
    tidied = tidy(bars)
    _require_clean(tidied)
    context = market_features(tidied["timestamp"], market)
    tables = [
        _one_security(group, context.loc[group.index], bars_per_year(bar))
        for _, group in tidied.groupby("entity", sort=True)
        if len(group) > WARM_UP
    ]
    if not any(len(t) for t in tables):
        raise DataRejected(
            f"No security has more than {WARM_UP} bars ({tidied['entity'].nunique()} securities, {len(tidied)} bars).",
            f"Features need {WARM_UP} bars of history; give a longer file.",
        )
    return pd.concat(tables, ignore_index=True)


def latest_rows(features: pd.DataFrame) -> pd.DataFrame:
    """Return each security's newest row of features: what a live forecast starts from."""
    newest = features.groupby("entity")["timestamp"].idxmax()
    return features.loc[newest].reset_index(drop=True)


def _one_security(bars: pd.DataFrame, context: pd.DataFrame, per_year: float) -> pd.DataFrame:
    open_, high, low, close, volume = (np.ascontiguousarray(bars[name], dtype=float) for name in VALUES)
    columns: dict[str, Array] = {
        "close": close,
        **indicators.document_2(high, low, close, volume),
        **indicators.oscillators(close),
        **indicators.bands(close),
        **indicators.trend(high, low, close),
        **indicators.levels(high, low, close),
        **indicators.volume_weighted(close, volume),
        **volatilities(open_, high, low, close, per_year),
        **indicators.log_returns(close),
        **{name: context[name].to_numpy() for name in MARKET},
    }
    table = pd.DataFrame({name: columns[name] for name in NAMES})
    table.insert(0, "entity", bars["entity"].to_numpy())
    table.insert(1, "timestamp", bars["timestamp"].to_numpy())
    windows = price_windows(open_, high, low, close, volume, WINDOW_LENGTH)
    table = table.iloc[WARM_UP:].assign(window=_flat(windows[WARM_UP - WINDOW_LENGTH + 1 :]))
    return table[table[list(MARKET)].notna().all(axis=1)]


def _flat(windows: npt.NDArray[np.float32]) -> pd.Series:
    """Return one float32 array of 300 values per window, indexed as the rows they belong to."""
    rows = list(windows.reshape(len(windows), -1))
    return pd.Series(rows, index=range(WARM_UP, WARM_UP + len(rows)), dtype=object)


def _require_clean(bars: pd.DataFrame) -> None:
    prices = bars[list(VALUES[:4])].to_numpy(float)
    volume = bars["volume"].to_numpy(float)
    bad = ~((prices > 0) & np.isfinite(prices)).all(axis=1) | ~((volume >= 0) & np.isfinite(volume))
    bad |= bars.duplicated(["entity", "timestamp"]).to_numpy()
    if bad.any():
        row = bars[bad].iloc[0]
        values = ", ".join(f"{name}={row[name]}" for name in VALUES)
        raise DataRejected(
            f"The bar of {row['entity']} at {row['timestamp']} is broken or double ({values}); {bad.sum()} such bars.",
            "Pass what components.data.quality.check_bars accepted.",
        )
