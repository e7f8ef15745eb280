"""compute_features: no look-ahead, no memory beyond the warm-up, the right scale, the right numbers."""

import numpy as np
import pandas as pd
import pytest
import talib
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.data.embedded import no_market
from components.data.simulate import simulate_bars
from components.data.sources import load_bars, load_market
from components.errors import DataRejected
from components.features.definitions import DOCUMENT_2, FEATURES, MARKET, NAMES, WARM_UP, WINDOW_LENGTH
from components.features.price import compute_features, latest_rows

PRICE_LEVELS = [c.name for c in FEATURES if c.unit == "price"]
VOLUME_LEVELS = [c.name for c in FEATURES if c.unit == "shares"]
OWN = [n for n in NAMES if n not in MARKET]
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def matrix(features):
    """All features and the window of every row, side by side."""
    return np.hstack([features[list(NAMES)].to_numpy(), np.stack(features["window"].to_numpy())])


@pytest.fixture(scope="module")
def bars():
    frame = load_bars(until="2002-12-31")
    return frame.groupby("entity").head(WARM_UP + 150).reset_index(drop=True)


@pytest.fixture(scope="module")
def market():
    return load_market()


@pytest.fixture(scope="module")
def features(bars, market):
    return compute_features(bars, market)


def test_document_2_has_13_features():
    assert len(DOCUMENT_2) == 13
    assert set(DOCUMENT_2) <= set(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    assert all(c.unit and c.description for c in FEATURES)


def test_every_value_is_finite_within_its_bounds_and_typed(features):
    assert np.isfinite(matrix(features)).all()
    for column in FEATURES:
        values = features[column.name]
        assert values.dtype == np.float64
        assert column.minimum is None or values.min() >= column.minimum, column.name
        assert column.maximum is None or values.max() <= column.maximum, column.name
    assert all(w.dtype == np.float32 and w.shape == (WINDOW_LENGTH * 5,) for w in features["window"])


def test_the_warm_up_is_dropped_per_security(bars, features):
    assert features.groupby("entity").size().to_dict() == {"NASDAQ": 150, "SP500": 150}
    first = bars[bars["entity"] == "SP500"].iloc[WARM_UP]
    mine = features[features["entity"] == "SP500"].iloc[0]
    assert (mine["timestamp"], mine["close"]) == (first["timestamp"], first["close"])


def test_document_2_equals_its_own_formulas(bars, features):
    df = bars[bars["entity"] == "SP500"].reset_index(drop=True)
    want = pd.DataFrame({f"close_lag_{i}": df["close"].shift(i) for i in (1, 2, 3)})
    for i in (1, 2, 3):
        want[f"volume_lag_{i}"] = df["volume"].shift(i)
    want["price_change"] = df["close"].pct_change()
    want["price_change_lag_1"] = want["price_change"].shift(1)
    want["volatility"] = df["close"].rolling(window=5).std()
    want["high_low_pct"] = (df["high"] - df["low"]) / df["close"]
    want["sma_5"] = df["close"].rolling(window=5).mean()
    want["price_to_sma"] = df["close"] / want["sma_5"]
    want["volume_ratio"] = df["volume"] / df["volume"].rolling(window=10).mean()
    want["vwap_20"] = (df["close"] * df["volume"]).rolling(20).sum() / df["volume"].rolling(20).sum()
    want["price_volume_correlation_10"] = df["close"].rolling(10).corr(df["volume"])
    mine = features[features["entity"] == "SP500"]
    np.testing.assert_allclose(mine[list(want)].to_numpy(), want.iloc[WARM_UP:].to_numpy(), rtol=1e-7)


def test_talib_is_the_textbook_definition(bars):
    """RSI and ATR against Wilder's recursion, MACD and EMA against the exponential recursion, by hand."""
    df = bars[bars["entity"] == "SP500"].reset_index(drop=True)
    close, high, low = (df[n].to_numpy() for n in ("close", "high", "low"))

    def wilder(x, n):
        out = [x[:n].mean()]
        for value in x[n:]:
            out.append(out[-1] + (value - out[-1]) / n)
        return np.array(out)

    moves = np.diff(close)
    up, down = wilder(np.maximum(moves, 0), 14), wilder(np.maximum(-moves, 0), 14)
    np.testing.assert_allclose(talib.RSI(close, 14)[14:], 100 * up / (up + down), rtol=1e-9)
    before = close[:-1]
    ranges = np.maximum.reduce([high[1:] - low[1:], np.abs(high[1:] - before), np.abs(low[1:] - before)])
    np.testing.assert_allclose(talib.ATR(high, low, close, 14)[14:], wilder(ranges, 14), rtol=1e-9)
    ema = {n: pd.Series(close).ewm(span=n, adjust=False).mean().to_numpy() for n in (12, 26)}
    np.testing.assert_allclose(talib.EMA(close, 26)[WARM_UP:], ema[26][WARM_UP:], rtol=1e-6)
    np.testing.assert_allclose(talib.MACD(close, 12, 26, 9)[0][WARM_UP:], (ema[12] - ema[26])[WARM_UP:], atol=1e-4)


@SLOW
@given(cut=st.integers(0, 149), factor=st.floats(0.1, 10.0), seed=st.integers(0, 2**16))
def test_changing_the_future_never_changes_the_past(bars, market, features, cut, factor, seed):
    """Every column of every row up to the cut, the window included, stays bit for bit the same."""
    known = features.groupby("entity").head(cut + 1)
    now = known["timestamp"].max()
    rng = np.random.default_rng(seed)
    later = bars["timestamp"] > now
    other = bars.copy()
    noise = factor * np.exp(rng.normal(0, 0.2, later.sum()))
    for name in ("open", "high", "low", "close", "volume"):
        other.loc[later, name] *= noise
    context = market.copy()
    context.loc[context["timestamp"] > now, ["vix", "breadth", "dispersion"]] *= factor
    again = compute_features(other, context).groupby("entity").head(cut + 1)
    np.testing.assert_array_equal(matrix(again), matrix(known))


@SLOW
@given(cut=st.integers(0, 149))
def test_leaving_the_future_out_never_changes_the_past(bars, market, features, cut):
    known = features.groupby("entity").head(cut + 1)
    again = compute_features(bars[bars["timestamp"] <= known["timestamp"].max()], market)
    np.testing.assert_array_equal(matrix(again), matrix(known))


@SLOW
@given(exponent=st.integers(-6, 6))
def test_prices_in_another_currency_change_only_price_levels(bars, market, features, exponent):
    """Scaling by a power of two is exact in floating point, so scale-free columns are the same bits."""
    scaled = bars.copy()
    scaled[["open", "high", "low", "close"]] *= 2.0**exponent
    again = compute_features(scaled, market)
    for name in OWN:
        want = features[name] * 2.0**exponent if name in PRICE_LEVELS else features[name]
        np.testing.assert_allclose(again[name], want, rtol=1e-9, atol=1e-9 * 2.0**exponent, err_msg=name)
    np.testing.assert_allclose(np.stack(again["window"]), np.stack(features["window"]), atol=1e-6)


def test_volume_in_another_unit_changes_only_volume_levels(bars, market, features):
    scaled = bars.assign(volume=bars["volume"] * 1024)
    again = compute_features(scaled, market)
    for name in OWN:
        want = features[name] * 1024 if name in VOLUME_LEVELS else features[name]
        np.testing.assert_allclose(again[name], want, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("drop", [1, 20, 149])
def test_features_forget_what_lies_before_the_warm_up(bars, market, features, drop):
    """A frame that starts later gives the same features, up to what exponential averages still remember."""
    again = compute_features(bars[bars.groupby("entity").cumcount() >= drop], market)
    want = features[features.groupby("entity").cumcount() >= drop].reset_index(drop=True)
    recursive = ["rsi_14", "macd", "macd_signal", "macd_hist", "atr_14", "ema_12", "ema_26", "volatility_ewma"]
    for name in recursive:
        np.testing.assert_allclose(again[name], want[name], rtol=1e-6, atol=1e-6 * want[name].std(), err_msg=name)
    summed = ["bb_upper", "bb_middle", "bb_lower", "bb_position"]  # TA-Lib's running sums
    np.testing.assert_allclose(again[summed], want[summed], rtol=1e-9)
    exact = [n for n in NAMES if n not in recursive + summed]
    np.testing.assert_array_equal(again[exact], want[exact])
    np.testing.assert_array_equal(np.stack(again["window"]), np.stack(want["window"]))


def test_columns_that_only_the_future_knows_are_not_taken_in(bars, market, features):
    spoilt = bars.assign(next_close=bars.groupby("entity")["close"].shift(-1), target=1.0)
    pd.testing.assert_frame_equal(compute_features(spoilt, market), features)


def test_securities_do_not_mix(bars, market, features):
    alone = compute_features(bars[bars["entity"] == "SP500"], market)
    np.testing.assert_array_equal(matrix(alone), matrix(features[features["entity"] == "SP500"]))


def test_the_order_of_rows_does_not_matter(bars, market, features):
    shuffled = bars.sample(frac=1.0, random_state=3)
    pd.testing.assert_frame_equal(compute_features(shuffled, market), features)


def test_market_rows_count_only_once_known(bars, market, features):
    """A market row that becomes known one hour after the close belongs to the next bar."""
    late = market.assign(timestamp=market["timestamp"] + pd.Timedelta(hours=1))
    again = compute_features(bars, late)
    one, two = (f[f["entity"] == "SP500"]["vix"].to_numpy() for f in (features, again))
    np.testing.assert_array_equal(two[1:], one[:-1])


def test_a_market_frame_that_ends_too_early_is_refused(bars, market):
    with pytest.raises(DataRejected, match="no market context newer than 1999-06"):
        compute_features(bars, market[market["timestamp"] < "1999-07-01"])


def test_without_a_market_frame_the_context_is_neutral(bars):
    neutral = compute_features(bars, no_market())
    assert neutral[list(MARKET)].drop_duplicates().to_dict("records") == [
        {"vix": 20.0, "vix_change": 0.0, "breadth": 0.5, "dispersion": 0.015}
    ]


def test_a_switch_from_proxy_to_vix_is_no_move():
    bars = load_bars()
    rows = compute_features(bars[bars["timestamp"] > "2012-11-01"], load_market()).set_index("timestamp")
    assert (rows.loc["2014-01-03", "vix_change"] == 0).all()
    assert (rows.loc["2014-01-06", "vix_change"] != 0).all()


def test_the_window_is_relative_to_the_latest_close(bars, features):
    mine = features[features["entity"] == "SP500"].iloc[-1]
    window = mine["window"].reshape(WINDOW_LENGTH, 5)
    last = bars[bars["entity"] == "SP500"].tail(WINDOW_LENGTH)
    np.testing.assert_allclose(np.exp(window[:, :4]) * mine["close"], last[["open", "high", "low", "close"]], rtol=1e-5)
    np.testing.assert_allclose(np.exp(window[:, 4]) * mine["volume_mean_60"], last["volume"], rtol=1e-5)
    assert window[-1, 3] == 0


def test_no_volume_at_all_gives_finite_features():
    bars = simulate_bars(WARM_UP + 30).assign(volume=0.0)
    features = compute_features(bars, no_market())
    assert np.isfinite(matrix(features)).all()
    assert (features["volume_ratio"] == 1).all()
    assert (np.stack(features["window"])[:, 4::5] == 0).all()


def test_a_flat_price_gives_finite_features():
    bars = simulate_bars(WARM_UP + 30)
    bars[["open", "high", "low", "close"]] = 123.456
    features = compute_features(bars, no_market())
    assert np.isfinite(matrix(features)).all()
    assert (features["bb_position"] == 0.5).all()
    assert (features["price_volume_correlation_10"] == 0).all()


def test_annualisation_follows_the_bar():
    bars = simulate_bars(WARM_UP + 400, bar="5m", volatility=0.3, seed=4)
    features = compute_features(bars, no_market(), bar="5m")
    assert 0.2 < features["volatility_21"].mean() < 0.4
    daily = compute_features(bars, no_market())
    ratio = np.sqrt(78.0)
    np.testing.assert_allclose(features["volatility_ewma"], daily["volatility_ewma"] * ratio)


def test_too_little_history_is_refused():
    with pytest.raises(DataRejected, match="No security has more than 250 bars"):
        compute_features(simulate_bars(WARM_UP), no_market())


@pytest.mark.parametrize(("column", "value"), [("close", np.nan), ("low", 0.0), ("volume", -1.0), ("high", np.inf)])
def test_broken_bars_are_named(column, value):
    bars = simulate_bars(WARM_UP + 5)
    bars.loc[7, column] = value
    with pytest.raises(DataRejected, match=r"SIM at 2010-01-13 21:00:00 is broken"):
        compute_features(bars, no_market())


def test_latest_rows(features):
    rows = latest_rows(features)
    assert rows["entity"].tolist() == ["NASDAQ", "SP500"]
    assert (rows["timestamp"] == features["timestamp"].max()).all()
