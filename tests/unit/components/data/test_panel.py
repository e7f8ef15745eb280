"""Panels and sectors: no holes, no look-ahead into a security's first price, and the right exchange."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.data.panel import build_panel
from components.data.quality import check_bars
from components.data.sectors import UNCLASSIFIED, sectors_of
from components.data.sources import load_bars
from components.errors import ConfigurationError, DataRejected


def bars(closes: dict[str, list[float]]) -> pd.DataFrame:
    days = pd.date_range("2020-01-01", periods=max(map(len, closes.values())))
    frames = [pd.DataFrame({"entity": name, "timestamp": days[: len(v)], "close": v}) for name, v in closes.items()]
    return pd.concat(frames).dropna().reset_index(drop=True)


def test_it_starts_when_the_last_security_does_and_fills_short_holes_with_the_last_close() -> None:
    nan = float("nan")
    panel = build_panel(bars({"A": [1, 2, 3, 4, 5, 6.0], "B": [nan, 10, nan, 12, 13, 14.0]}), min_share=0.5)
    assert panel.names == ("A", "B")
    np.testing.assert_array_equal(panel.close[:, 1], [10, 10, 12, 13, 14])
    np.testing.assert_allclose(panel.returns[0], [0.5, 0.0])
    np.testing.assert_allclose(np.expm1(panel.log_returns), panel.returns)
    assert len(panel.returns) == len(panel.times) - 1


def test_a_security_with_a_long_hole_is_left_out() -> None:
    nan = float("nan")
    holey = [1.0, nan, nan, nan, nan, 2.0, 3.0, 4.0, 5.0, 6.0]
    panel = build_panel(bars({"A": list(np.arange(1.0, 11)), "B": holey}), min_share=0.5, longest_gap=3)
    assert panel.names == ("A",)


def test_nothing_left_is_said() -> None:
    with pytest.raises(DataRejected, match="None of 2 securities"):
        build_panel(bars({"A": [1.0, 2.0], "B": [float("nan"), float("nan"), 3.0, 4.0]}), min_share=0.9)


def test_embedded_stocks_pass_the_quality_checks() -> None:
    frame = load_bars("embedded-stocks", until="1999-12-31")
    report = check_bars(frame)
    assert len(report.rejected) == 0
    panel = build_panel(report.accepted)
    assert panel.close.shape[1] == 20
    assert np.isfinite(panel.log_returns).all()
    with pytest.raises(ConfigurationError, match="daily bars only"):
        load_bars("embedded-stocks", bar="1m")


def test_a_ticker_of_two_exchanges_follows_its_universe() -> None:
    assert sectors_of(["AAPL", "HAL"])["HAL"] == "Energy"
    assert sectors_of(["TCS", "HAL"])["HAL"] == "Capital Goods"
    assert sectors_of(["XYZ"]) == {"XYZ": UNCLASSIFIED}
    embedded = load_bars("embedded-stocks", until="1990-02-01")["entity"].unique()
    assert UNCLASSIFIED not in sectors_of(embedded).values()
