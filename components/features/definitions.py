"""The one table of features: name, unit, definition and physical bounds.

Document 2 lists 13 features and leaves the number of lags open ("lookback_periods"); with three lags of close and of
volume they are exactly 13, which is the choice made here. Log returns below go back 10 bars.

"Bar" is the sampling interval (a day by default). Every value is known at the bar's end and uses bars up to it.
"""

from __future__ import annotations

from typing import Final

from components.models.schema import Column

WINDOW_LENGTH: Final = 60
WINDOW_CHANNELS: Final = ("open", "high", "low", "close", "volume")
"""Channels of the ``window`` tensor, oldest bar first: log of each price over the *latest* close, and log of volume
over the window's mean volume (the feature ``volume_mean_60``). Log ratios, not prices: see
:mod:`components.features.window`."""

WARM_UP: Final = 250
"""Bars of a security that only feed the indicators: SMA 200 needs 200, exponential averages settle. No row for them."""

PRICE, VOLUME, DECIMAL, ANNUAL = "price", "shares", "decimal", "annualised decimal"

_BASE = (Column("close", PRICE, "Close of the bar, adjusted for splits", 0.0),)

_DOCUMENT_2 = (
    Column("close_lag_1", PRICE, "Close 1 bar ago", 0.0),
    Column("close_lag_2", PRICE, "Close 2 bars ago", 0.0),
    Column("close_lag_3", PRICE, "Close 3 bars ago", 0.0),
    Column("volume_lag_1", VOLUME, "Volume 1 bar ago", 0.0),
    Column("volume_lag_2", VOLUME, "Volume 2 bars ago", 0.0),
    Column("volume_lag_3", VOLUME, "Volume 3 bars ago", 0.0),
    Column("price_change", DECIMAL, "Close over previous close, less 1", -1.0),
    Column("price_change_lag_1", DECIMAL, "price_change 1 bar ago", -1.0),
    Column("volatility", PRICE, "Sample standard deviation of 5 closes", 0.0),
    Column("high_low_pct", DECIMAL, "High less low, over close", 0.0),
    Column("sma_5", PRICE, "Mean of 5 closes", 0.0),
    Column("price_to_sma", "ratio", "Close over sma_5", 0.0, 5.0),
    Column("volume_ratio", "ratio", "Volume over the mean of 10 volumes; 1 when nothing was traded", 0.0, 10.0),
)

_OSCILLATORS = (
    Column("rsi_14", "index 0-100", "Relative strength index over 14 bars, Wilder's smoothing", 0.0, 100.0),
    Column("macd", PRICE, "EMA of 12 closes less EMA of 26"),
    Column("macd_signal", PRICE, "EMA of 9 values of macd"),
    Column("macd_hist", PRICE, "macd less macd_signal"),
    Column("bb_upper", PRICE, "bb_middle plus 2 population standard deviations of 20 closes", 0.0),
    Column("bb_middle", PRICE, "Mean of 20 closes", 0.0),
    Column("bb_lower", PRICE, "bb_middle less 2 population standard deviations of 20 closes"),
    Column(
        "bb_position",
        "ratio",
        "Place of the close between bb_lower (0) and bb_upper (1); 0.5 without a band",
        -2.0,
        3.0,
    ),
)

_TREND = (
    Column("atr_14", PRICE, "Average true range over 14 bars, Wilder's smoothing", 0.0),
    Column("sma_20", PRICE, "Mean of 20 closes", 0.0),
    Column("sma_50", PRICE, "Mean of 50 closes", 0.0),
    Column("sma_200", PRICE, "Mean of 200 closes", 0.0),
    Column("ema_12", PRICE, "Exponential mean of closes, span 12", 0.0),
    Column("ema_26", PRICE, "Exponential mean of closes, span 26", 0.0),
    Column("momentum_5", DECIMAL, "Close over close 5 bars ago, less 1", -1.0),
    Column("momentum_10", DECIMAL, "Close over close 10 bars ago, less 1", -1.0),
    Column("momentum_21", DECIMAL, "Close over close 21 bars ago, less 1", -1.0),
    Column("support_20", PRICE, "Lowest low of 20 bars", 0.0),
    Column("resistance_20", PRICE, "Highest high of 20 bars", 0.0),
    Column("support_distance", DECIMAL, "Close less support_20, over close", 0.0, 1.0),
    Column("resistance_distance", DECIMAL, "resistance_20 less close, over close", 0.0),
)

_VOLUME = (
    Column("vwap_20", PRICE, "Volume-weighted mean of 20 closes; their plain mean when nothing was traded", 0.0),
    Column("price_volume_correlation_10", "correlation", "Correlation of close and volume over 10 bars", -1.0, 1.0),
    Column("volume_trend_20", DECIMAL, "Mean of 5 volumes over the mean of 20, less 1", -1.0, 3.0),
    Column("volume_mean_60", VOLUME, "Mean of 60 volumes, which the window's volume channel is relative to", 0.0),
)

_VOLATILITY = (
    Column("volatility_21", ANNUAL, "Standard deviation of 21 log returns, times the root of bars per year", 0.0),
    Column(
        "volatility_ewma", ANNUAL, "RiskMetrics volatility: decay 0.94 per bar, times the root of bars per year", 0.0
    ),
    Column("garman_klass_21", ANNUAL, "Garman-Klass range volatility of 21 bars, times the root of bars per year", 0.0),
)

_RETURNS = (
    Column("log_return", "log", "Log of close over previous close"),
    *(Column(f"log_return_lag_{i}", "log", f"log_return {i} bar{'s' * (i > 1)} ago") for i in range(1, 11)),
)

_MARKET = (
    Column("vix", "volatility points", "VIX at the bar's end; before 2014 a proxy (see embedded.market)", 0.0, 200.0),
    Column("vix_change", "volatility points", "Latest change of vix from one session to the next"),
    Column("breadth", DECIMAL, "Share of 20 US large caps that rose in the last known session", 0.0, 1.0),
    Column("dispersion", "log", "Standard deviation of those stocks' log returns in that session", 0.0),
)

FEATURES: Final[tuple[Column, ...]] = (
    _BASE + _DOCUMENT_2 + _OSCILLATORS + _TREND + _VOLUME + _VOLATILITY + _RETURNS + _MARKET
)
"""Every feature, in the order of the ``features`` tensor."""

NAMES: Final = tuple(c.name for c in FEATURES)
DOCUMENT_2: Final = tuple(c.name for c in _DOCUMENT_2)
MARKET: Final = tuple(c.name for c in _MARKET)

MARKET_NEUTRAL: Final = {"vix": 20.0, "vix_change": 0.0, "breadth": 0.5, "dispersion": 0.015}
"""Stands in where a source has no market context: round long-run values; being constant they teach a model nothing."""
