"""Requests with an entity and a time: decoding, error paths, and rows to tensors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.errors import ConfigurationError, InvalidRequest
from components.models.schema import Column, Schema, Tensor
from inference.feature_request import read_keys, schema_from_metadata, tensors_from_rows
from inference.transformer import add_parameters, rewrite
from inference.v2 import parse_request


def request(entity: Any, timestamp: Any, kind: str = "BYTES", **more: Any) -> Any:
    inputs = [
        {"name": "entity", "shape": [len(entity)], "datatype": "BYTES", "data": entity},
        {"name": "timestamp", "shape": [len(timestamp)], "datatype": kind, "data": timestamp},
    ]
    return parse_request(json.dumps({"inputs": inputs, **more}).encode())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2018-12-31T21:00:00Z", "2018-12-31T21:00"),
        ("2018-12-31T16:00:00-05:00", "2018-12-31T21:00"),
        ("2018-12-31", "2018-12-31T00:00"),
        ("2018-12-31 21:00", "2018-12-31T21:00"),
    ],
)
def test_times_are_read_as_utc(text: str, expected: str) -> None:
    keys = read_keys(request(["SP500"], [text]))
    assert keys is not None
    assert keys.times == [np.datetime64(expected, "ns")]


def test_nanoseconds_are_kept_exactly() -> None:
    keys = read_keys(request(["A", "B"], [1546290000123456789, 0], "INT64"))
    assert keys is not None
    assert keys.entities == ["A", "B"]
    assert keys.times[0] == np.datetime64(1546290000123456789, "ns")


@pytest.mark.parametrize(
    ("entity", "timestamp", "kind", "path"),
    [
        (["A"], ["yesterday"], "BYTES", "inputs[1].data[0]"),
        (["A", "B"], ["2018-01-01", "2018-13-01"], "BYTES", "inputs[1].data[1]"),
        (["A"], ["9999-01-01"], "BYTES", "inputs[1].data[0]"),
        (["A"], [2**63 - 1], "INT64", "inputs[1].data[0]"),
        (["A"], [1.5], "FP64", "inputs[1].datatype"),
        (["A", ""], ["2018-01-01"] * 2, "BYTES", "inputs[0].data[1]"),
        (["A"], ["2018-01-01"] * 2, "BYTES", "inputs[1].shape"),
        ([], [], "BYTES", "inputs[1].shape"),
    ],
)
def test_a_wrong_key_is_refused_with_its_path(entity: Any, timestamp: Any, kind: str, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read_keys(request(entity, timestamp, kind))
    assert caught.value.path == path


def test_half_a_key_and_a_mix_are_refused() -> None:
    one = {"name": "entity", "shape": [1], "datatype": "BYTES", "data": ["A"]}
    features = {"name": "features", "shape": [1], "datatype": "FP64", "data": [1.0]}
    with pytest.raises(InvalidRequest, match="'timestamp' is missing"):
        read_keys(parse_request(json.dumps({"inputs": [one]}).encode()))
    stamp = {"name": "timestamp", "shape": [1], "datatype": "BYTES", "data": ["2018-01-01"]}
    with pytest.raises(InvalidRequest, match="not both") as caught:
        read_keys(parse_request(json.dumps({"inputs": [features, one, stamp]}).encode()))
    assert caught.value.path == "inputs[0].name"
    assert read_keys(parse_request(json.dumps({"inputs": [features]}).encode())) is None


SCHEMA = Schema(
    (
        Tensor("features", "FP64", (2,), (Column("b"), Column("a"))),
        Tensor("window", "FP32", (2, 3), (Column("x"), Column("y"), Column("z"))),
        Tensor("vix", "FP64"),
    )
)


def test_rows_become_tensors_by_name_in_the_schemas_order() -> None:
    rows = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0], "vix": [9.0, 8.0], "window": [np.arange(6.0)] * 2})
    batch = tensors_from_rows(rows, SCHEMA)
    assert batch["features"].tolist() == [[3.0, 1.0], [4.0, 2.0]]
    assert batch["window"].shape == (2, 2, 3)
    assert batch["window"].dtype == np.float32
    assert batch["vix"].tolist() == [9.0, 8.0]
    with pytest.raises(ConfigurationError, match="no feature 'b', which input 'features'"):
        tensors_from_rows(rows.drop(columns="b"), SCHEMA)


def test_the_schema_comes_from_the_predictors_metadata() -> None:
    columns = [{"name": "a", "minimum": 0.0}]
    metadata = {
        "inputs": [
            {"name": "w", "datatype": "FP32", "shape": [-1, 2, 3]},
            {
                "name": "f",
                "datatype": "FP64",
                "shape": [-1, 1],
                "parameters": {"columns": columns},
            },
        ]
    }
    assert schema_from_metadata(metadata) == Schema(
        (Tensor("w", "FP32", (2, 3)), Tensor("f", "FP64", (1,), (Column("a", minimum=0.0),)))
    )


def test_a_rewritten_message_keeps_all_but_the_inputs() -> None:
    message = {"id": "7", "inputs": [], "outputs": [{"name": "price"}], "parameters": {"binary_data_output": False}}
    body, headers = rewrite(json.dumps(message).encode(), {"x": np.array([[1.5, 2.5]])})
    length = int(headers["inference-header-content-length"])
    head = json.loads(body[:length])
    assert {k: head[k] for k in ("id", "outputs", "parameters")} == {
        k: message[k] for k in ("id", "outputs", "parameters")
    }
    again = parse_request(body, length)
    assert again.inputs[0].array().tolist() == [[1.5, 2.5]]


def test_parameters_are_added_before_binary_tensors() -> None:
    head = b'{"outputs":[],"parameters":{"a":1}}'
    content, headers = add_parameters(
        head + b"\x00\x01", {"inference-header-content-length": str(len(head))}, {"b": "2"}
    )
    length = int(headers["inference-header-content-length"])
    assert json.loads(content[:length])["parameters"] == {"a": 1, "b": "2"}
    assert content[length:] == b"\x00\x01"
    assert add_parameters(head, {}, {"b": "2"})[1] == {}
