"""Daily closes of 20 US large caps that travel inside skfolio: the embedded data of portfolio models.

Adjusted closes (splits and dividends) of 1990 to 2022, so returns are total returns. The package has closes alone:
open, high and low repeat the close and the volume is 0, which is what such a file says and no more. The 20 were chosen
by hindsight; whatever is learned here is about survivors.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from components.data.bars import SESSION_CLOSE, tidy
from components.data.embedded import STOCKS
from components.data.shipped import read_shipped

NAME: Final = "embedded-stocks"


def bars() -> pd.DataFrame:
    """Return a bars frame of the 20 stocks, entities being their tickers."""
    wide = read_shipped("skfolio", STOCKS)
    wide.index = pd.DatetimeIndex(wide.index).as_unit("ns") + SESSION_CLOSE
    long = wide.rename_axis("timestamp").melt(var_name="entity", value_name="close", ignore_index=False).dropna()
    frame = long.reset_index()
    for name in ("open", "high", "low"):
        frame[name] = frame["close"]
    frame["volume"] = 0.0
    return tidy(frame)
