"""Real market data that travels inside dependencies: nothing to download.

Bars are `arch.data.sp500` and `arch.data.nasdaq` (index levels; an index has no splits). The market context is the VIX
of `arch.data.vix`, and breadth and dispersion over the 20 US large caps of `skfolio.datasets` (adjusted closes
1990-2022). Those 20 were chosen by hindsight, so breadth is that of survivors.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data.bars import COLUMNS, SESSION_CLOSE, TRADING_DAYS, tidy
from components.data.shipped import read_shipped

SP500, NASDAQ, VIX = "data/sp500/sp500.csv.gz", "data/nasdaq/nasdaq.csv.gz", "data/vix/vix.csv.gz"
STOCKS = "datasets/data/sp500_dataset.csv.gz"

MARKET_COLUMNS = ("timestamp", "vix", "breadth", "dispersion", "vix_is_proxy")

EWMA_DECAY = 0.94
"""RiskMetrics' decay for daily returns (J.P. Morgan/Reuters, RiskMetrics Technical Document, 4th ed., 1996)."""


def bars() -> pd.DataFrame:
    """Return daily bars of the S&P 500 (``SP500``) and the NASDAQ Composite (``NASDAQ``), 1999 to 2018, in points."""
    frames = [_index("SP500", read_shipped("arch", SP500)), _index("NASDAQ", read_shipped("arch", NASDAQ))]
    return tidy(pd.concat(frames))


def market() -> pd.DataFrame:
    """Return the daily market context, one row per session from 1999 to 2019-01-03.

    The embedded VIX starts on 2014-01-03. Before, ``vix`` is a proxy known at the same close: the annualised
    RiskMetrics volatility of the S&P 500 in percent, with no constant fitted to later data. It lacks the variance risk
    premium, so its level is some points below the VIX's; ``vix_is_proxy`` is 1.0 on those rows.
    """
    prices = read_shipped("skfolio", STOCKS)
    returns = pd.DataFrame(np.log(prices / prices.shift(1))).dropna()
    context = pd.DataFrame({"breadth": (returns > 0).mean(axis=1), "dispersion": returns.std(axis=1, ddof=1)})
    vix = read_shipped("arch", VIX)["vix"].dropna()
    proxy = _realised_index()
    context["vix"] = vix.combine_first(proxy.loc[: vix.index[0]]).reindex(context.index)
    context["vix_is_proxy"] = (~context.index.isin(vix.index)).astype(float)
    context["timestamp"] = pd.DatetimeIndex(context.index).as_unit("ns") + SESSION_CLOSE
    return context.dropna().reset_index(drop=True)[list(MARKET_COLUMNS)]


def no_market() -> pd.DataFrame:
    """Return a market context without rows."""
    return pd.DataFrame({"timestamp": pd.Series(dtype="datetime64[ns]"), **dict.fromkeys(MARKET_COLUMNS[1:], 0.0)})[:0]


def _index(entity: str, raw: pd.DataFrame) -> pd.DataFrame:
    frame = raw.rename(columns=str.lower)
    frame["entity"] = entity
    frame["timestamp"] = pd.DatetimeIndex(frame.index).as_unit("ns") + SESSION_CLOSE
    values = dict.fromkeys(COLUMNS[2:], float)
    return frame.reset_index(drop=True)[list(COLUMNS)].astype(values)


def _realised_index() -> pd.Series:
    close = read_shipped("arch", SP500)["Close"]
    squared = np.log(close).diff().dropna() ** 2
    variance = squared.ewm(alpha=1 - EWMA_DECAY, adjust=True, min_periods=10).mean()
    percent: pd.Series = 100 * np.sqrt(TRADING_DAYS * variance)
    return percent
