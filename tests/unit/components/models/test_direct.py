"""Direct models: an answer laid flat and shaped again is the same answer, whatever the number of holdings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.catalog import get_spec
from components.models.direct import flatten, unflatten
from components.models.schema import Schema, Tensor
from tests.support.tiny import test_rooms

SCHEMA = Schema(
    (
        Tensor("var", "FP64"),
        Tensor("by_horizon", "FP64", (3,)),
        Tensor("word", "BYTES"),
        Tensor("component", "FP64", (-1,)),
        Tensor("pairs", "FP64", (2, -1)),
        Tensor("count", "INT64"),
    )
)


@pytest.mark.parametrize("holdings", [0, 1, 7])
def test_flat_and_back(holdings: int) -> None:
    rng = np.random.default_rng(1)
    outputs = {
        "var": rng.normal(size=4),
        "by_horizon": rng.normal(size=(4, 3)),
        "component": rng.normal(size=(4, holdings)),
        "pairs": rng.normal(size=(4, 2, holdings)),
        "count": np.arange(4),
    }
    again = unflatten(flatten(outputs), SCHEMA, {})
    assert list(again) == list(outputs)
    for name, values in outputs.items():
        assert again[name].dtype == values.dtype
        np.testing.assert_array_equal(again[name], values)


def test_a_direct_model_finishes_as_it_predicts(tmp_path: Path) -> None:
    with test_rooms():
        from components.models.lab.judged.data import make_dataset

        data = make_dataset(400)
        model = get_spec("judged").load_model_class()().fit(data.take(np.arange(300)), data.take(np.arange(300, 400)))
        rows = data.take(np.arange(300, 400)).inputs
        predicted = model.predict(rows)
        finished = model.finish({"model": model.member.predict(rows)}, rows)  # type: ignore[attr-defined]
    assert list(predicted) == list(model.output_schema.names)
    for name, values in predicted.items():
        np.testing.assert_array_equal(finished[name], values)
    assert set(predicted["level"]) <= {"high", "low"}
