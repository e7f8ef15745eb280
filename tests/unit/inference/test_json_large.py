"""Large JSON requests: the fast reader answers exactly what the strict one answers, or leaves the request to it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import InvalidRequest
from inference.payload_json import as_json
from inference.v2.json_large import LARGE, read_large, to_compact
from inference.v2.request import TensorIn, parse_request

COUNT = 900


def message(data: Any, datatype: str = "FP32", shape: Any = (30, 30), **more: Any) -> bytes:
    tensor = {"name": "features", "datatype": datatype, "shape": list(shape), "data": data}
    body = json.dumps({"id": "a", "inputs": [tensor], **more}).encode()
    return body + b" " * max(0, LARGE - len(body))


def strict(body: bytes) -> np.ndarray:
    entry = orjson.loads(body)["inputs"][0]
    return TensorIn(0, entry["name"], entry["datatype"], tuple(entry["shape"]), entry["data"]).array()


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-(2**60), 2**60),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from(["FP32", "FP64"]),
)
def test_equals_the_strict_reader_to_the_last_bit(values: list[float], datatype: str) -> None:
    body = message((values * COUNT)[:COUNT], datatype)
    raw = read_large(body)
    assert raw is not None
    got, want = raw["inputs"][0]["data"], strict(body)
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    np.testing.assert_array_equal(got, want)
    assert got.flags.writeable


def test_doubles_with_every_digit() -> None:
    values = np.random.default_rng(5).normal(size=COUNT) * 10.0 ** np.arange(COUNT).clip(0, 300)
    body = message(values.tolist(), "FP64")
    np.testing.assert_array_equal(read_large(body)["inputs"][0]["data"].reshape(-1), values)  # type: ignore[index]


GOOD = [0.5] * (COUNT - 1)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (message([*GOOD, "1"]), r"data\[899\]"),
        (message([*GOOD, None]), r"data\[899\]"),
        (message([*GOOD, True]), r"data\[899\]"),
        (message([*GOOD, 1e39]), r"does not fit FP32"),
        (message(GOOD), "899 values"),
        (message([*GOOD, float("nan")]), "NaN"),
        (message([[0.5] * 30] * 29 + [[0.5] * 29 + [[0.5]]]), "data"),
        (message([[0.5] * 31, *[[0.5] * 30] * 28, [0.5] * 29]), "data"),
        (message([*GOOD, 0.5])[:-600], "malformed"),
        (message([*GOOD, 0.5], shape=(30, "30")), "shape"),
        (message([*GOOD, 0.5], shape=(-30, -30)), "shape"),
        (message([*GOOD, 0.5], datatype="FP31"), "FP31"),
    ],
)
def test_what_is_wrong_is_left_to_the_strict_reader_and_its_words(body: bytes, told: str) -> None:
    assert read_large(body) is None
    with pytest.raises(InvalidRequest, match=told):
        parse_request(body).inputs[0].array()


def test_the_unusual_is_left_to_the_strict_reader() -> None:
    nested = np.full((30, 30), 0.5).tolist()
    assert parse_request(message(nested)).inputs[0].array().shape == (30, 30)
    whole = parse_request(message(list(range(COUNT)), "INT64"))
    assert whole.large is None
    assert whole.inputs[0].array().dtype == np.int64
    for body in (b"[]", b'{"inputs": 5}', b'{"inputs": [5]}', b"\xff", b""):
        assert read_large(body + b" " * LARGE) is None
    twice = message([*GOOD, 0.5]).replace(b'{"id": "a"', b'{"id": "a", "id": "b"')
    assert read_large(twice) is None
    assert parse_request(twice).id == "b"


def test_the_rest_of_the_request_is_kept() -> None:
    body = message([*GOOD, 0.25], outputs=[{"name": "p"}], parameters={"binary_data_output": True})
    request = parse_request(body)
    assert request.large is not None
    assert (request.id, [o.name for o in request.outputs], request.binary_outputs) == ("a", ["p"], True)
    assert request.inputs[0].array()[-1, -1] == 0.25


def test_the_compact_form_is_the_same_request_in_fewer_bytes() -> None:
    values = np.random.default_rng(5).normal(size=COUNT).astype(np.float32)
    body = message(values.tolist(), outputs=[{"name": "p"}])
    raw = read_large(body)
    assert raw is not None
    compact, length = to_compact(raw)
    assert len(compact) < len(body) / 4
    np.testing.assert_array_equal(parse_request(compact, length).inputs[0].array(), values.reshape(30, 30))
    told = orjson.loads(as_json(compact, length))
    assert (told["id"], told["outputs"]) == ("a", [{"name": "p"}])
    np.testing.assert_array_equal(np.array(told["inputs"][0]["data"], np.float32), values)


def test_buffers_of_one_request_do_not_leak_into_the_next() -> None:
    first = parse_request(message([1.0] * COUNT)).inputs[0].array()
    second = parse_request(message([2.0] * COUNT)).inputs[0].array()
    assert first.max() == 1.0
    assert second.min() == 2.0
