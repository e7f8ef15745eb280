"""Nothing that was not known at a row's time may be in its inputs, and nothing from validation in the members."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.data.bars import tidy
from components.data.dataset import Dataset
from components.data.files import Convention, adjust_splits, read_bars
from components.data.jumps import split_like
from components.features.price import compute_features
from components.models.markets.volatility.data import REALISED, build_dataset
from components.models.markets.volatility.intraday import daily_bars
from components.models.markets.volatility.members.log_har import LogHar
from components.models.markets.volatility.params import HORIZONS, Params
from components.models.markets.volatility.series import return_series
from tests.unit.components.models.markets.volatility.conftest import market

Builder = Callable[[pd.DataFrame], pd.DataFrame]


def features_of(bars: pd.DataFrame) -> pd.DataFrame:
    return compute_features(bars, market(bars))


def with_tomorrows_range(bars: pd.DataFrame) -> pd.DataFrame:
    """A leaking builder: one feature is what tomorrow brings."""
    made = features_of(bars)
    tomorrow = pd.Series(np.log(bars["high"] / bars["low"])).shift(-1).set_axis(bars["timestamp"]).fillna(0.0)
    return made.assign(dispersion=tomorrow.reindex(made["timestamp"]).to_numpy())


def leaks(bars: pd.DataFrame, builder: Builder, cut: int) -> bool:
    """Whether rows known by bar ``cut`` change when the bars after it do."""
    moment = bars["timestamp"].iloc[cut]
    changed = bars.copy()
    later = np.arange(len(bars)) > cut
    changed.loc[later, ["open", "high", "low", "close"]] *= 1.1
    changed.loc[later, "high"] *= 1.07
    inputs = []
    for frame in (bars, changed):
        data = build_dataset(builder(frame), frame, tuple(HORIZONS))
        inputs.append(data.take(data.times <= moment.to_datetime64()).inputs)
    return any(not np.array_equal(inputs[0][name], inputs[1][name]) for name in inputs[0])


@pytest.fixture(scope="module")
def short(make_bars: Callable[..., tuple[pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
    return make_bars(500, 2)[0]


def test_inputs_do_not_depend_on_what_follows(short: pd.DataFrame) -> None:
    assert not leaks(short, features_of, 400)


def test_a_future_only_column_would_be_seen(short: pd.DataFrame) -> None:
    assert leaks(short, with_tomorrows_range, 400)


def test_targets_begin_after_the_row_and_end_at_its_label_time(short: pd.DataFrame) -> None:
    data = build_dataset(features_of(short), short, tuple(HORIZONS))
    place = np.searchsorted(short["timestamp"].to_numpy(), data.times)
    np.testing.assert_array_equal(short["timestamp"].to_numpy()[place + 21], data.label_times)
    logs = np.log(short[["open", "high", "low", "close"]].to_numpy())
    i = int(place[10])
    tomorrow, close = logs[i + 1], logs[i, 3]
    variance = 0.5 * (tomorrow[1] - tomorrow[2]) ** 2 - (2 * np.log(2) - 1) * (tomorrow[3] - tomorrow[0]) ** 2
    variance += (tomorrow[0] - close) ** 2
    assert data.targets["realised_variance"][10, 0] / data.targets["level"][10, 0] == pytest.approx(variance)


def test_the_level_of_a_row_knows_only_its_past(short: pd.DataFrame) -> None:
    changed = short.copy()
    changed.loc[450:, ["open", "high", "low", "close"]] *= 1.5
    before, after = (build_dataset(features_of(b), b, ("1_day",)).targets["level"] for b in (short, changed))
    known = 450 - 250
    np.testing.assert_array_equal(before[:known], after[:known])
    assert before[-1] != after[-1]


def test_scaling_is_learned_from_training_rows_alone(parts: tuple[Dataset, Dataset, Dataset]) -> None:
    train, validation, _ = parts
    strange = Dataset(
        {name: values * 3 for name, values in validation.inputs.items()},
        {name: values * 3 for name, values in validation.targets.items()},
        validation.times,
        validation.label_times,
        validation.entities,
    )
    assert LogHar(Params()).fit(train, validation).state() == LogHar(Params()).fit(train, strange).state()


def one_minute(days: int = 80) -> pd.DataFrame:
    """One-minute bars of 24-hour sessions in Kolkata, so that a shift by a minute crosses midnight."""
    rng = np.random.default_rng(4)
    ends = pd.date_range("2022-01-03 00:01", periods=days * 1440, freq="1min", tz="Asia/Kolkata")
    close = 100 * np.exp(np.cumsum(2e-4 * rng.normal(size=len(ends))))
    opened = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(opened, close), np.minimum(opened, close)
    return pd.DataFrame({"ends": ends, "open": opened, "high": high, "low": low, "close": close, "volume": 1.0})


def test_bars_labelled_at_their_start_shift_no_day(tmp_path: Path) -> None:
    raw = one_minute(3)
    values = raw.drop(columns="ends").assign(symbol="X")
    values.assign(ts_bar_end=raw["ends"]).to_parquet(tmp_path / "end.parquet")
    values.assign(ts_bar_start=raw["ends"] - pd.Timedelta(minutes=1)).to_parquet(tmp_path / "start.parquet")
    frames = [
        daily_bars(tidy(read_bars(tmp_path / f"{n}.parquet", Convention("1m"))), "Asia/Kolkata")
        for n in ("end", "start")
    ]
    pd.testing.assert_frame_equal(frames[0], frames[1])
    assert len(frames[0]) == 3
    # The day is known when its last bar is: at midnight in Kolkata, not a minute earlier.
    assert frames[0]["timestamp"].iloc[0] == pd.Timestamp("2022-01-03 18:30")
    assert frames[0]["close"].iloc[0] == raw["close"].iloc[1439]
    # Starts taken for ends put a minute into the wrong day: this test would see it.
    mistaken = tidy(read_bars(tmp_path / "start.parquet", Convention("1m", stamps="end")))
    assert daily_bars(mistaken, "Asia/Kolkata")["close"].iloc[0] != frames[0]["close"].iloc[0]


def test_realised_variance_is_that_of_the_path() -> None:
    bars = one_minute().assign(entity="X", timestamp=lambda b: b["ends"].dt.tz_convert("UTC").dt.tz_localize(None))
    daily = daily_bars(bars.drop(columns="ends"), "Asia/Kolkata")
    assert daily[REALISED].iloc[1:].mean() == pytest.approx(1440 * 4e-8, rel=0.03)
    assert np.isnan(daily[REALISED].iloc[0])


def test_an_outage_counts_once() -> None:
    bars = one_minute(2).assign(entity="X", timestamp=lambda b: b["ends"].dt.tz_convert("UTC").dt.tz_localize(None))
    hole = bars.drop(index=range(1440 + 100, 1440 + 700)).drop(columns="ends")
    flat = hole.copy()
    jump = np.where(flat.index < 1440 + 400, 100.0, 101.0)
    flat[["open", "high", "low", "close"]] = np.column_stack([jump] * 4)
    daily = daily_bars(flat, "Asia/Kolkata")
    assert daily[REALISED].iloc[1] == pytest.approx(np.log(1.01) ** 2, rel=0.01)


def test_an_unadjusted_split_is_flagged_and_would_show(short: pd.DataFrame) -> None:
    split = short.copy()
    split.loc[420:, ["open", "high", "low", "close"]] /= 2
    assert split_like(split)["timestamp"].tolist() == [short["timestamp"].iloc[420]]
    clean, broken = (build_dataset(features_of(b), b, ("1_day",)).targets["realised_variance"] for b in (short, split))
    assert broken[420 - 251, 0] > 100 * clean[420 - 251, 0]
    coefficients = pd.Series(np.where(np.arange(len(split)) == 420, 2.0, 1.0), index=split.index)
    repaired = adjust_splits(split, coefficients)
    assert split_like(repaired).empty
    np.testing.assert_allclose(
        build_dataset(features_of(repaired), repaired, ("1_day",)).targets["realised_variance"], clean, rtol=1e-6
    )


def test_the_series_of_returns_is_put_together_again(
    data: Dataset, simulated: tuple[pd.DataFrame, pd.DataFrame]
) -> None:
    close = simulated[0]["close"].to_numpy()
    want = np.diff(np.log(close))[250 - 59 : -21]
    np.testing.assert_allclose(return_series(data)["SIM"], want, atol=1e-6)
    holes = data.take(np.r_[0:300, 340:700])
    np.testing.assert_allclose(return_series(holes)["SIM"], want[: 59 + 699], atol=1e-6)
