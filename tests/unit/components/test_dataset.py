"""A Dataset survives its Parquet file."""

from pathlib import Path

import numpy as np
import pytest

from components.data.dataset import Dataset


def make(rows: int = 4) -> Dataset:
    times = np.arange(rows).astype("datetime64[D]").astype("datetime64[ns]")
    return Dataset(
        {"features": np.arange(rows * 2.0).reshape(rows, 2), "window": np.ones((rows, 3, 2), np.float32)},
        {"price": np.arange(rows * 1.0).reshape(rows, 1)},
        times,
        times + np.timedelta64(1, "D"),
        np.array(["A", "B"] * (rows // 2), dtype=object),
    )


def test_round_trip(tmp_path: Path) -> None:
    data = make()
    data.write(tmp_path / "d.parquet")
    back = Dataset.read(tmp_path / "d.parquet")
    for name in data.inputs:
        np.testing.assert_array_equal(back.inputs[name], data.inputs[name])
        assert back.inputs[name].dtype == data.inputs[name].dtype
    np.testing.assert_array_equal(back.targets["price"], data.targets["price"])
    np.testing.assert_array_equal(back.times, data.times)
    np.testing.assert_array_equal(back.label_times, data.label_times)
    assert list(back.entities) == list(data.entities)


def test_take() -> None:
    assert len(make().take(np.array([True, False, True, False]))) == 2


def test_unequal_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="'price' has 1 rows, times has 4"):
        Dataset(make().inputs, {"price": np.zeros((1, 1))}, make().times, make().label_times, make().entities)
