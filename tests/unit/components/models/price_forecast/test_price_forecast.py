import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.models.markets.price_forecast.model import PriceForecast
from components.models.markets.price_forecast.params import Params
from components.models.schema import Batch

Parts = tuple[Dataset, Dataset, Dataset]


def rows(batch: Batch, index: slice) -> dict[str, np.ndarray]:
    return {name: array[index] for name, array in batch.items()}


@pytest.fixture
def saved(model: PriceForecast, tmp_path: Path) -> Path:
    model.save(tmp_path)
    return tmp_path


def test_real_rows_satisfy_the_input_schema(model: PriceForecast, dataset: Dataset) -> None:
    model.input_schema.validate(dataset.inputs)


def test_outputs_satisfy_the_output_schema(model: PriceForecast, parts: Parts) -> None:
    outputs = model.predict(parts[2].inputs)
    model.output_schema.validate(outputs)
    assert set(outputs) == set(model.output_schema.names)


def test_outputs_agree_with_each_other(model: PriceForecast, parts: Parts) -> None:
    o = model.predict(parts[2].inputs)
    current = o["current_price"][:, None]
    assert (o["lower"] <= o["price"]).all()
    assert (o["price"] <= o["upper"]).all()
    assert (o["lower"] > 0).all()
    assert (
        o["price"][o["direction"] == "up"] >= np.broadcast_to(current, o["price"].shape)[o["direction"] == "up"]
    ).all()
    assert (
        o["price"][o["direction"] == "down"] <= np.broadcast_to(current, o["price"].shape)[o["direction"] == "down"]
    ).all()
    assert ((o["confidence"] >= 0.5) & (o["confidence"] <= 1)).all()
    assert (o["var_95"] <= 0).all()
    assert ((o["max_expected_drawdown"] > 0) & (o["max_expected_drawdown"] < 100)).all()


def test_every_member_is_served_from_one_graph(model: PriceForecast, parts: Parts) -> None:
    assert model.members is not None
    assert any(any(model.weights[name]) for name in ("linear", "regularised", "xgboost"))
    for facts in model.members.facts.values():
        assert facts["onnx_max_abs_diff"] < 1e-6


def test_a_batch_equals_its_rows(model: PriceForecast, parts: Parts) -> None:
    batch = rows(parts[2].inputs, slice(0, 40))
    together = model.predict(batch)
    for i in range(40):
        alone = model.predict(rows(batch, slice(i, i + 1)))
        for name, values in together.items():
            if values.dtype.kind == "f":
                np.testing.assert_allclose(alone[name][0], values[i], rtol=1e-6)
            else:
                assert (alone[name][0] == values[i]).all()


def test_threads_get_the_same_answers(model: PriceForecast, parts: Parts) -> None:
    batches = [rows(parts[2].inputs, slice(i, i + 5)) for i in range(0, 200, 5)]
    alone = [model.predict(b)["price"] for b in batches]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda b: model.predict(b)["price"], batches * 5))
    for got, want in zip(together, alone * 5, strict=True):
        np.testing.assert_array_equal(got, want)


def test_the_saved_model_answers_the_same(model: PriceForecast, saved: Path, parts: Parts) -> None:
    loaded = PriceForecast.load(saved)
    assert loaded.params == model.params
    want = model.predict(parts[2].inputs)
    for name, got in loaded.predict(parts[2].inputs).items():
        np.testing.assert_array_equal(got, want[name])


def test_serving_imports_no_training_library(saved: Path) -> None:
    heavy = ("torch", "tensorflow", "keras", "sklearn", "scipy", "xgboost", "pandas", "pyarrow", "onnx", "pandera")
    code = (
        "import sys, json; from pathlib import Path\n"
        "from components.models.markets.price_forecast.model import PriceForecast\n"
        f"PriceForecast.load(Path({str(saved)!r}))\n"
        f"print(json.dumps([m for m in {heavy!r} if m in sys.modules]))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(told.stdout) == []


def test_intervals_cover_about_what_they_say(model: PriceForecast, parts: Parts) -> None:
    o = model.predict(parts[1].inputs)
    actual = parts[1].targets["price"]
    covered = ((actual >= o["lower"]) & (actual <= o["upper"])).mean(axis=0)
    assert (np.abs(covered - 0.9) < 0.02).all()  # on the calibration rows themselves


def test_intervals_follow_volatility(model: PriceForecast, parts: Parts) -> None:
    o = model.predict(parts[1].inputs)
    width = (o["upper"] - o["lower"])[:, 0] / o["current_price"]
    assert np.corrcoef(width, o["volatility_forecast"])[0, 1] > 0.9
    crisis = np.argmax(o["volatility_forecast"])
    assert o["suspended"][crisis]
    assert 0 < o["suspended"].mean() < 0.05


def test_scaling_prices_scales_the_forecast(model: PriceForecast, parts: Parts) -> None:
    """An index at 2,000 and the same index divided by ten get the same forecast, divided by ten."""
    from components.features.definitions import FEATURES, PRICE, VOLUME

    features = parts[2].inputs["features"].copy()
    features[:, [i for i, c in enumerate(FEATURES) if c.unit == PRICE]] /= 10
    features[:, [i for i, c in enumerate(FEATURES) if c.unit == VOLUME]] *= 7
    small = model.predict({**parts[2].inputs, "features": features})
    np.testing.assert_allclose(small["price"] * 10, model.predict(parts[2].inputs)["price"], rtol=1e-6)


def test_the_random_walk_alone_needs_no_graph(parts: Parts, tmp_path: Path) -> None:
    train, validation, test = parts
    model = PriceForecast(Params(members=("linear",), blend_shrinkage=1e9)).fit(train, validation)
    model.save(tmp_path)
    assert not (tmp_path / "members.onnx").exists()
    o = PriceForecast.load(tmp_path).predict(test.inputs)
    np.testing.assert_allclose(o["price"], np.broadcast_to(o["current_price"][:, None], o["price"].shape))


def test_intraday_data_forecasts_the_next_bar(parts: Parts, tmp_path: Path) -> None:
    train, validation, test = (
        Dataset(p.inputs, {"price": p.targets["price"][:, :1]}, p.times, p.label_times, p.entities) for p in parts
    )
    model = PriceForecast(Params(horizons=("next_bar",), members=("linear", "xgboost"), tree_rounds=10))
    o = model.fit(train, validation).predict(test.inputs)
    assert o["price"].shape == (len(test), 1)
    assert list(PriceForecast.present(o, 0, ("next_bar",))["predictions"]) == ["next_bar"]


def test_present_words_document_0(model: PriceForecast, parts: Parts) -> None:
    o = model.predict(rows(parts[2].inputs, slice(0, 2)))
    told = PriceForecast.present(o, 1)
    json.dumps(told, allow_nan=False)
    assert list(told["predictions"]) == ["1_day", "5_day", "1_month"]
    assert set(told["predictions"]["1_day"]) == {"price", "confidence_interval", "confidence", "direction"}
    assert set(told["risk_assessment"]) == {"volatility_forecast", "max_expected_drawdown", "var_95"}
    assert told["current_price"] == o["current_price"][1]
    with pytest.raises(ValueError, match="1 horizon names for 3 columns"):
        PriceForecast.present(o, 1, ("1_day",))
