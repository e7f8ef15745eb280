"""Drift of models with holdings or text: their fixed columns are watched, whatever the requests' lengths."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from components.errors import ConfigurationError
from components.models.schema import Column, Schema, Tensor
from components.models.spec import DriftSpec
from inference.binding import Binder
from inference.cloudevents import REQUEST, Event
from inference.detector import Detector
from inference.drift.columns import Columns
from inference.drift.window import Window
from tests.support.basket import basket, basket_rows


def detector() -> Detector:
    schema = basket().input_schema
    columns = Columns(schema, ())
    reference = columns.select(basket_rows(300))
    return Detector("basket", DriftSpec(detectors=("ks",)), columns, Binder(schema), reference, Window(2, 1000))


def event(number: int, holdings: int, days: float) -> Event:
    inputs = [
        {"name": "holdings", "datatype": "BYTES", "shape": [1, holdings], "data": ["A"] * holdings},
        {"name": "weights", "datatype": "FP64", "shape": [1, holdings], "data": [1.0 / holdings] * holdings},
        {"name": "terms", "datatype": "FP64", "shape": [1, 2], "data": [1.0 + number % 7 / 5.0, days]},
    ]
    return Event(f"e{number}", "here", REQUEST, data=orjson.dumps({"inputs": inputs}))


def test_the_fixed_columns_are_watched_by_default() -> None:
    assert Columns(basket().input_schema, ()).paths == ("terms.leverage", "terms.days")
    assert Columns(basket().input_schema, ("terms.days",)).select(basket_rows(5)).shape == (5, 1)


@pytest.mark.parametrize("path", ["weights", "weights.0", "holdings", "correlations"])
def test_what_has_no_fixed_column_cannot_be_watched(path: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Use some of terms\.leverage, terms\.days"):
        Columns(basket().input_schema, (path,))


def test_a_table_of_any_length_has_no_columns_to_watch() -> None:
    lots = Tensor("lots", "FP64", (-1, 2), (Column("price"), Column("size")))
    with pytest.raises(ConfigurationError, match="no numeric columns"):
        Columns(Schema((lots, Tensor("note", "BYTES"))), ())


def test_requests_of_different_lengths_fill_one_window_and_are_judged() -> None:
    watching = detector()
    for number in range(200):
        assert watching.take(event(number, 1 + number % 4, 900.0 + number)) == "taken"
    verdict = watching.current()
    assert (verdict.outcome, verdict.columns) == ("drift", ("terms.leverage", "terms.days"))
    assert "terms.days" in verdict.sentence
    assert np.allclose(watching.window.snapshot()[:3, 1], [900.0, 901.0, 902.0])
