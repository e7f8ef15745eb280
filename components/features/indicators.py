"""Technical indicators of one security, from TA-Lib where it has the textbook definition.

Wilder's and exponential averages never forget entirely: their value depends on where the series starts, by a factor
that halves every few bars. After :data:`components.features.definitions.WARM_UP` bars the rest is below 1e-6 of the
value, and earlier rows are dropped.
"""

from __future__ import annotations

import numpy as np
import talib

from components.features import rolling
from components.features.rolling import Array, divide

Columns = dict[str, Array]


def document_2(high: Array, low: Array, close: Array, volume: Array) -> Columns:
    """Return document 2's 13 features, with its lookback of 3 bars for the lags."""
    change = divide(close, rolling.lag(close, 1), np.nan) - 1.0
    sma_5 = rolling.mean(close, 5)
    columns: Columns = {}
    for i in (1, 2, 3):
        columns[f"close_lag_{i}"] = rolling.lag(close, i)
        columns[f"volume_lag_{i}"] = rolling.lag(volume, i)
    return columns | {
        "price_change": change,
        "price_change_lag_1": rolling.lag(change, 1),
        "volatility": rolling.std(close, 5),
        "high_low_pct": (high - low) / close,
        "sma_5": sma_5,
        # A bar can be at most 5 times a mean of 5 that it is part of; rounding must not carry it beyond the bound.
        "price_to_sma": np.minimum(close / sma_5, 5.0),
        "volume_ratio": np.minimum(divide(volume, rolling.mean(volume, 10), 1.0), 10.0),
    }


def oscillators(close: Array) -> Columns:
    """Return RSI (Wilder, 1978) and MACD (Appel: EMA 12 less EMA 26, its signal EMA 9, and their difference)."""
    macd, signal, histogram = talib.MACD(close, fastperiod=12, slowperiod=26, signalperiod=9)
    return {
        "rsi_14": np.clip(talib.RSI(close, 14), 0.0, 100.0),
        "macd": macd,
        "macd_signal": signal,
        "macd_hist": histogram,
    }


def bands(close: Array) -> Columns:
    """Return Bollinger bands: SMA 20 and two population standard deviations to each side."""
    upper, middle, lower = talib.BBANDS(close, timeperiod=20, nbdevup=2, nbdevdn=2, matype=0)
    width = upper - lower
    # A flat price has no band; TA-Lib's sums of squares then leave a width of rounding errors.
    flat = width <= 1e-6 * np.abs(middle)
    position = np.where(flat, 0.5, divide(close - lower, np.where(flat, 0.0, width), 0.5))
    position[np.isnan(middle)] = np.nan
    return {"bb_upper": upper, "bb_middle": middle, "bb_lower": lower, "bb_position": position}


def trend(high: Array, low: Array, close: Array) -> Columns:
    """Return moving averages, the average true range (Wilder, 1978) and momentum."""
    columns: Columns = {f"sma_{n}": rolling.mean(close, n) for n in (20, 50, 200)}
    columns |= {f"ema_{n}": talib.EMA(close, n) for n in (12, 26)}
    columns["atr_14"] = talib.ATR(high, low, close, 14)
    columns |= {f"momentum_{n}": divide(close, rolling.lag(close, n), np.nan) - 1.0 for n in (5, 10, 21)}
    return columns


def levels(high: Array, low: Array, close: Array) -> Columns:
    """Return the lowest low and the highest high of 20 bars as support and resistance, and the distances to them."""
    support, resistance = rolling.lowest(low, 20), rolling.highest(high, 20)
    return {
        "support_20": support,
        "resistance_20": resistance,
        "support_distance": (close - support) / close,
        "resistance_distance": (resistance - close) / close,
    }


def volume_weighted(close: Array, volume: Array) -> Columns:
    """Return the rolling volume-weighted average price, and how price and volume go together."""
    traded = rolling.total(volume, 20)
    vwap = divide(rolling.total(close * volume, 20), traded, np.nan)
    vwap = np.where(traded == 0, rolling.mean(close, 20), vwap)
    recent = divide(rolling.mean(volume, 5), rolling.mean(volume, 20), 1.0)
    return {
        "vwap_20": vwap,
        "price_volume_correlation_10": rolling.correlation(close, volume, 10),
        "volume_trend_20": np.minimum(recent, 4.0) - 1.0,
        "volume_mean_60": rolling.mean(volume, 60),
    }


def log_returns(close: Array, lags: int = 10) -> Columns:
    """Return the log return of the bar and of the ``lags`` bars before it."""
    returns = log_return(close)
    return {"log_return": returns} | {f"log_return_lag_{i}": rolling.lag(returns, i) for i in range(1, lags + 1)}


def log_return(close: Array) -> Array:
    """Return the natural logarithm of the close over the previous close; NaN first."""
    returns = np.full(len(close), np.nan)
    returns[1:] = np.diff(np.log(close))
    return returns
