"""Simulated bars, for tests and for showing what drift looks like. Nothing here is real data."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data.bars import COLUMNS, SESSION_CLOSE, TRADING_DAYS, bar_length, bars_per_year, tidy
from components.data.calendars import sessions

OPEN = pd.Timedelta(hours=14, minutes=30)


def simulate_bars(
    rows: int,
    *,
    entities: tuple[str, ...] = ("SIM",),
    bar: str = "1d",
    start: str = "2010-01-04",
    volatility: float = 0.2,
    drift: float = 0.05,
    price: float = 100.0,
    seed: int = 0,
) -> pd.DataFrame:
    """Return seeded geometric Brownian motion with ranges and log-normal volume, on New York's sessions.

    Parameters
    ----------
    rows : int
        Bars per entity.
    bar : str
        Length of a bar; intraday bars fill sessions of 390 minutes from 14:30 UTC, whatever the season.
    volatility, drift : float
        Annualised decimals.
    """
    stamps = _stamps(rows, bar, pd.Timestamp(start))
    rng = np.random.default_rng(seed)
    frames = [_path(rng, e, stamps, volatility, drift, price, bars_per_year(bar)) for e in entities]
    return tidy(pd.concat(frames))


def regime_change(bars: pd.DataFrame, volatility_factor: float, seed: int, *, rows: int = 250) -> pd.DataFrame:
    """Return simulated daily bars that follow each security's last bar, at a multiple of its recent volatility.

    This is a **simulation of a regime change**, not a forecast: log returns of the last 250 bars are drawn with
    replacement, centred and multiplied with ``volatility_factor``, so their shape stays and their scale changes.
    Volume is drawn along with the return and multiplied with the factor's root, as volume rises with volatility.

    Parameters
    ----------
    bars : DataFrame
        Daily bars frame; only the bars *after* the change are returned, without these.
    volatility_factor : float
        3.0 triples volatility; 1.0 changes nothing but the order of days.
    seed : int
        Of the draws.
    rows : int
        Bars per entity.
    """
    rng = np.random.default_rng(seed)
    frames = [_resample(rng, group, volatility_factor, rows) for _, group in bars.groupby("entity")]
    return tidy(pd.concat(frames))


def extend_market(market: pd.DataFrame, bars: pd.DataFrame, volatility_factor: float, seed: int) -> pd.DataFrame:
    """Return the market context continued over simulated bars: last year's rows redrawn, VIX and dispersion multiplied.

    Parameters
    ----------
    market : DataFrame
        As :func:`components.data.sources.load_market` returns it.
    bars : DataFrame
        What :func:`regime_change` returned.
    volatility_factor, seed
        As there. VIX stays below 150.
    """
    first = bars["timestamp"].min()
    known = market[market["timestamp"] < first]
    stamps = np.sort(bars["timestamp"].unique())
    draw = known.tail(TRADING_DAYS).sample(len(stamps), replace=True, random_state=seed).reset_index(drop=True)
    draw["timestamp"] = stamps
    draw["vix"] = np.minimum(draw["vix"] * volatility_factor, 150.0)
    draw["dispersion"] = draw["dispersion"] * volatility_factor
    extended: pd.DataFrame = pd.concat([known, draw], ignore_index=True)
    return extended


def _stamps(rows: int, bar: str, start: pd.Timestamp) -> pd.DatetimeIndex:
    if bar == "1d":
        return _sessions_from(start, rows) + SESSION_CLOSE
    per_day = int(pd.Timedelta(minutes=390) / bar_length(bar))
    days = _sessions_from(start, -(-rows // per_day))
    ends = OPEN.to_timedelta64() + bar_length(bar).to_timedelta64() * np.arange(1, per_day + 1)
    return pd.DatetimeIndex((days.to_numpy()[:, None] + ends).reshape(-1)[:rows])


def _sessions_from(start: pd.Timestamp, count: int) -> pd.DatetimeIndex:
    days = sessions("XNYS", start, start + pd.Timedelta(days=int(count * 1.5) + 15))
    return days[:count].as_unit("ns")


def _path(
    rng: np.random.Generator,
    entity: str,
    stamps: pd.DatetimeIndex,
    volatility: float,
    drift: float,
    price: float,
    per_year: float,
) -> pd.DataFrame:
    sigma = volatility / np.sqrt(per_year)
    returns = rng.normal(drift / per_year - sigma**2 / 2, sigma, len(stamps))
    close = price * np.exp(np.cumsum(returns))
    open_ = np.concatenate([[price], close[:-1]]) * np.exp(rng.normal(0, sigma / 4, len(stamps)))
    volume = np.round(1e6 * np.exp(rng.normal(0, 0.3, len(stamps))))
    return _bars(rng, entity, stamps, open_, close, volume, sigma)


def _resample(rng: np.random.Generator, group: pd.DataFrame, factor: float, rows: int) -> pd.DataFrame:
    recent = group.sort_values("timestamp").tail(TRADING_DAYS)
    returns = np.diff(np.log(recent["close"].to_numpy()))
    pick = rng.integers(0, len(returns), rows)
    moves = (returns[pick] - returns.mean()) * factor
    last = recent["close"].iloc[-1]
    close = last * np.exp(np.cumsum(moves))
    sigma = float(moves.std())
    open_ = np.concatenate([[last], close[:-1]]) * np.exp(rng.normal(0, sigma / 10, rows))
    volume = recent["volume"].to_numpy()[1:][pick] * np.sqrt(factor)
    after = recent["timestamp"].iloc[-1].normalize() + pd.Timedelta(days=1)
    stamps = _sessions_from(after, rows) + SESSION_CLOSE
    return _bars(rng, str(recent["entity"].iloc[0]), stamps, open_, close, volume, sigma)


def _bars(
    rng: np.random.Generator,
    entity: str,
    stamps: pd.DatetimeIndex,
    open_: np.ndarray,
    close: np.ndarray,
    volume: np.ndarray,
    sigma: float,
) -> pd.DataFrame:
    up, down = np.abs(rng.normal(0, sigma / 2, (2, len(stamps))))
    high, low = np.maximum(open_, close) * np.exp(up), np.minimum(open_, close) * np.exp(-down)
    values = (np.repeat(entity, len(stamps)), stamps, open_, high, low, close, volume)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))
