"""build_dataset: targets are the future of the same security, labels carry the time they become known."""

import numpy as np
import pandas as pd
import pytest

from components.data.embedded import no_market
from components.data.simulate import simulate_bars
from components.errors import ConfigurationError, DataRejected
from components.features.definitions import NAMES, WARM_UP
from components.features.price import compute_features, latest_rows
from components.models.markets.price_forecast.data import build_dataset, build_inputs

HORIZONS = ("1_day", "5_day", "1_month")


@pytest.fixture(scope="module")
def bars():
    return simulate_bars(WARM_UP + 60, entities=("A", "B"), seed=9)


@pytest.fixture(scope="module")
def features(bars):
    return compute_features(bars, no_market())


def test_shapes_and_order(bars, features):
    data = build_dataset(features, bars, HORIZONS)
    rows = 2 * (60 - 21)
    assert data.inputs["features"].shape == (rows, len(NAMES))
    assert data.inputs["features"].dtype == np.float64
    assert data.inputs["window"].shape == (rows, 60, 5)
    assert data.inputs["window"].dtype == np.float32
    assert data.targets["price"].shape == (rows, 3)
    assert (np.diff(data.times) >= np.timedelta64(0)).all()
    assert (data.label_times > data.times).all()


def test_targets_are_the_securitys_own_future_closes(bars, features):
    data = build_dataset(features, bars, HORIZONS)
    for row in (0, 1, len(data) - 1):
        own = bars[bars["entity"] == data.entities[row]].reset_index(drop=True)
        now = int(np.flatnonzero(own["timestamp"].to_numpy() == data.times[row])[0])
        assert data.targets["price"][row].tolist() == own["close"].iloc[[now + 1, now + 5, now + 21]].tolist()
        assert data.label_times[row] == own["timestamp"].iloc[now + 21]
        assert data.inputs["features"][row, NAMES.index("close")] == own["close"].iloc[now]
        assert data.inputs["window"][row, -1, 3] == 0


def test_the_order_of_features_and_bars_does_not_matter(bars, features):
    one = build_dataset(features, bars, ("next_bar",))
    two = build_dataset(features.sample(frac=1, random_state=0), bars.sample(frac=1, random_state=1), ("next_bar",))
    np.testing.assert_array_equal(one.targets["price"], two.targets["price"])
    np.testing.assert_array_equal(one.inputs["window"], two.inputs["window"])
    np.testing.assert_array_equal(one.entities, two.entities)


def test_the_dataset_survives_a_file(bars, features, tmp_path):
    data = build_dataset(features, bars, HORIZONS)
    data.write(tmp_path / "d.parquet")
    again = type(data).read(tmp_path / "d.parquet")
    np.testing.assert_array_equal(again.inputs["features"], data.inputs["features"])
    np.testing.assert_array_equal(again.label_times, data.label_times)


def test_a_live_request_has_the_same_inputs_as_training(bars, features):
    data = build_dataset(features, bars, ("next_bar",))
    known = features[features["timestamp"] == pd.Timestamp(data.times[-1])]
    live = build_inputs(latest_rows(known))
    np.testing.assert_array_equal(live["features"], data.inputs["features"][-2:])
    np.testing.assert_array_equal(live["window"], data.inputs["window"][-2:])


def test_an_unknown_horizon(bars, features):
    with pytest.raises(ConfigurationError, match="no horizon '2_weeks'"):
        build_dataset(features, bars, ("2_weeks",))


def test_features_without_bars(bars, features):
    with pytest.raises(DataRejected, match="60 rows of features have no bar, first B"):
        build_dataset(features, bars[bars["entity"] == "A"], ("next_bar",))


def test_missing_columns_are_named(bars, features):
    with pytest.raises(DataRejected, match="lack the column 'rsi_14'"):
        build_dataset(features.drop(columns="rsi_14"), bars, ("next_bar",))


def test_no_row_with_a_known_target(bars, features):
    with pytest.raises(DataRejected, match="No row is followed by 21 bars"):
        build_dataset(latest_rows(features), bars, HORIZONS)
