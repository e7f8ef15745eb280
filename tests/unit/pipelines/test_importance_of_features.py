"""What an importance job shuffles: a column, a text or a window of fixed length, and nothing that belongs together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from components.catalog import get_spec
from components.data.dataset import Dataset
from components.errors import ConfigurationError
from components.models.schema import Schema, Tensor
from pipelines.jobs.kinds.importance import permuter, rises, whole
from tests.support.basket import basket, basket_rows
from tests.support.tiny import test_rooms


def spec():  # type: ignore[no-untyped-def]
    with test_rooms():
        return get_spec("basket")


def dataset() -> Dataset:
    inputs = {name: values for name, values in basket_rows(80).items() if name != "correlations"}
    times = np.datetime64("2020-01-01", "ns") + np.arange(80) * np.timedelta64(1, "D")
    data = whole(Dataset(inputs, {}, times, times, np.full(80, "x", dtype=object)), basket().input_schema)
    noise = np.random.default_rng(1).normal(0.0, 1e-3, 80)
    return replace(data, targets={"target": np.asarray(basket().predict(data.inputs)["risk"]) + noise})


def test_a_column_of_a_model_of_holdings_is_scored() -> None:
    data, model = dataset(), basket()
    shuffle = permuter(model.input_schema, "leverage", spec())
    shuffled = shuffle(data.inputs, np.random.default_rng(7))
    assert sorted(shuffled["terms"][:, 0]) == sorted(data.inputs["terms"][:, 0])
    assert (shuffled["terms"][:, 1] == data.inputs["terms"][:, 1]).all()
    scores = rises(model, spec(), data, shuffle, repeats=2)
    assert min(scores) > 1.0, "the risk is proportional to it"


@pytest.mark.parametrize("name", ["holdings", "weights", "correlations"])
def test_what_belongs_to_its_row_is_not_shuffled_alone(name: str) -> None:
    with pytest.raises(ConfigurationError, match=r"belongs to the rest of its row.*leverage, days"):
        permuter(basket().input_schema, name, spec())


def test_an_unknown_feature_is_told_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match="It takes leverage, days"):
        permuter(basket().input_schema, "nope", spec())


def test_a_text_of_fixed_length_is_shuffled_whole() -> None:
    schema = Schema((Tensor("sector", "BYTES"),))
    values = np.array(list("abcdefgh"), dtype=object)
    found = permuter(schema, "sector", spec())({"sector": values}, np.random.default_rng(7))["sector"]
    assert sorted(found) == sorted(values)
    assert list(found) != list(values)
