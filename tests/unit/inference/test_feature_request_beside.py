"""What a request may send beside an entity: optional inputs of the model, one row an entity."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from components.errors import InvalidRequest, ModelUnavailable
from components.models.schema import Batch, Schema, Tensor
from inference.feature_request import Keys, read_keys, tensors_from_rows
from inference.transformer import Features, Transformer
from inference.upstream import Upstream
from inference.v2 import parse_request


def body(rows: int) -> Any:
    inputs = [
        {"name": "entity", "datatype": "BYTES", "shape": [1], "data": ["SP500"]},
        {"name": "timestamp", "datatype": "BYTES", "shape": [1], "data": ["2018-12-31T21:00:00Z"]},
        {"name": "realised", "datatype": "FP64", "shape": [rows, 3], "data": [1e-4, 2e-4, 3e-4] * rows},
    ]
    return parse_request(json.dumps({"inputs": inputs}).encode())


def test_an_optional_input_is_kept() -> None:
    keys = read_keys(body(1), ["realised"])
    assert keys is not None
    np.testing.assert_allclose(keys.beside["realised"], [[1e-4, 2e-4, 3e-4]])


def test_any_other_input_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="not both"):
        read_keys(body(1))


def test_its_rows_are_those_of_the_entities() -> None:
    with pytest.raises(InvalidRequest, match=r"shape is \[2, 3\] beside 1 entities"):
        read_keys(body(2), ["realised"])


class Looked:
    """A feature store that knows a window and no realised variances."""

    def lookup(self, keys: Keys, schema: Schema) -> tuple[Batch, list[str]]:
        rows = pd.DataFrame({"window": [np.ones(4, dtype=np.float32)] * len(keys.entities)})
        return tensors_from_rows(rows, schema), ["2018-12-31T21:00:00Z"]


def test_what_was_sent_takes_the_place_of_what_the_store_lacks() -> None:
    transformer = Transformer("volatility", cast(Upstream, None), cast(Features, Looked()))
    transformer.schema = Schema((Tensor("window", "FP32", (4,)), Tensor("realised", "FP64", (-1,))))
    keys = read_keys(body(1), ["realised"])
    assert keys is not None
    batch, known = transformer.look_up(keys)
    np.testing.assert_allclose(batch["realised"], [[1e-4, 2e-4, 3e-4]])
    assert batch["window"].shape == (1, 4)
    assert known == ["2018-12-31T21:00:00Z"]
    alone = transformer.look_up(Keys(keys.entities, keys.times))[0]
    assert alone["realised"].shape == (1, 0)


def test_before_the_schema_is_known_an_optional_input_may_be_sent_again_later() -> None:
    """Which inputs are optional is not known yet: that is no fault of the request."""
    transformer = Transformer("volatility", cast(Upstream, None), cast(Features, Looked()))
    sent = [
        {"name": "entity", "datatype": "BYTES", "shape": [1], "data": ["SP500"]},
        {"name": "timestamp", "datatype": "BYTES", "shape": [1], "data": ["2018-12-31T21:00:00Z"]},
        {"name": "realised", "datatype": "FP64", "shape": [1, 1], "data": [1e-4]},
    ]
    with pytest.raises(ModelUnavailable, match="starting"):
        transformer.answer(json.dumps({"inputs": sent}).encode(), {})
