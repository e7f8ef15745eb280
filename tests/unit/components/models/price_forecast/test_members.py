import json
from pathlib import Path

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.models.markets.price_forecast.inputs import INDEX, log_returns, prepare
from components.models.markets.price_forecast.members.base import feed
from components.models.markets.price_forecast.model import MEMBERS, PriceForecast
from components.models.markets.price_forecast.params import Params
from components.models.onnx_graphs import max_difference, merge_graphs, open_session

Parts = tuple[Dataset, Dataset, Dataset]
QUICK = Params(tree_rounds=15, lstm_epochs=1, lstm_hidden=8, keras_epochs=1, keras_units=8)


@pytest.mark.parametrize("name", [n for n in MEMBERS if n != "keras_lstm"])
def test_the_graph_equals_the_native_model(name: str, parts: Parts, tmp_path: Path) -> None:
    check_parity(name, parts, tmp_path)


@pytest.mark.slow
def test_the_keras_graph_equals_keras(parts: Parts, tmp_path: Path) -> None:
    check_parity("keras_lstm", parts, tmp_path)


def check_parity(name: str, parts: Parts, directory: Path) -> None:
    train, validation, test = parts
    member = PriceForecast.candidates(QUICK)[name]().fit(train, validation)
    member.save(directory)
    native = member.predict(test.inputs)
    assert native.shape == (len(test), 3)
    assert 1e-5 < native.std() < 0.2  # it says something, in log returns
    graph = (directory / "member.onnx").read_bytes()
    assert max_difference(graph, feed(prepare(test.inputs, QUICK.bars_per_year)), native) < 2e-7
    assert json.loads((directory / "member.json").read_text())["onnx_max_abs_diff"] < 2e-7


@pytest.mark.parametrize("name", ["xgboost", "lstm_attention"])
def test_the_same_seed_gives_the_same_member(name: str, parts: Parts) -> None:
    train, validation, test = parts
    first, second = (PriceForecast.candidates(QUICK)[name]().fit(train, validation) for _ in range(2))
    np.testing.assert_array_equal(first.predict(test.inputs), second.predict(test.inputs))


def test_members_learn_what_is_there_to_learn(parts: Parts) -> None:
    """Replace the targets with a function of one feature: every tabular member must find it."""
    train, validation, test = (planted(p) for p in parts)
    for name in ("linear", "regularised", "xgboost"):
        member = PriceForecast.candidates(Params(tree_rounds=60))[name]().fit(train, validation)
        got, want = member.predict(test.inputs)[:, 0], log_returns(test.targets["price"], test.inputs)[:, 0]
        assert np.corrcoef(got, want)[0, 1] > 0.5, name


def planted(part: Dataset) -> Dataset:
    features = part.inputs["features"]
    move = 0.8 * features[:, INDEX["price_change"], None] * np.array([1.0, 1.0, 1.0])
    price = features[:, INDEX["close"], None] * np.exp(move)
    return Dataset(part.inputs, {"price": price}, part.times, part.label_times, part.entities)


def test_inputs_depend_on_their_row_alone(parts: Parts) -> None:
    inputs = parts[2].inputs
    whole = prepare(inputs, 252.0)
    one = prepare({k: v[7:8] for k, v in inputs.items()}, 252.0)
    np.testing.assert_array_equal(one.tabular[0], whole.tabular[7])
    np.testing.assert_array_equal(one.sequence[0], whole.sequence[7])
    np.testing.assert_array_equal(one.variances[0], whole.variances[7])


def test_the_sequence_holds_the_log_returns(parts: Parts) -> None:
    inputs = parts[2].inputs
    x = prepare(inputs, 252.0)
    np.testing.assert_allclose(
        x.sequence[:, -1, 0] * x.scale[:, 0], inputs["features"][:, INDEX["log_return"]], atol=1e-5
    )


def test_merged_graphs_share_their_inputs(parts: Parts) -> None:
    train, validation, _ = parts
    graphs = {
        n: PriceForecast.candidates(QUICK)[n]().fit(train, validation).export() for n in ("linear", "regularised")
    }
    session = open_session(merge_graphs(graphs))
    assert sorted(i.name for i in session.get_inputs()) == ["scale", "tabular"]
    assert [o.name for o in session.get_outputs()] == ["linear", "regularised"]
