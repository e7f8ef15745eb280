"""The fast reader of large requests agrees with the strict one, and leaves to it what it does not read."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.payload_json import as_json
from inference.v2.json_large import read_large, to_compact
from inference.v2.request import parse_request

PAD = " " * 5000
"""Makes any request a large one."""


def request(data: Any, datatype: str = "FP64", shape: Any = None, **more: Any) -> bytes:
    entry = {"name": "x", "shape": shape or [len(data)], "datatype": datatype, "data": data, **more}
    return orjson.dumps({"id": "i", "inputs": [entry]}) + PAD.encode()


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**64 - 1), min_size=1),
    st.sampled_from(["FP64", "FP32"]),
)
def test_it_reads_what_the_strict_reader_reads(data: list[float], datatype: str) -> None:
    body = request(data, datatype)
    raw = read_large(body)
    with np.errstate(over="ignore"):
        want = np.array(data, np.float64).astype(np.float32 if datatype == "FP32" else np.float64)
    if not np.isfinite(want).all():
        assert raw is None
        return
    assert raw is not None
    assert raw["inputs"][0]["data"].dtype == want.dtype
    np.testing.assert_array_equal(raw["inputs"][0]["data"], want)
    np.testing.assert_array_equal(parse_request(body).inputs[0].array(), want)
    logged = orjson.loads(as_json(*to_compact(raw)))
    assert logged["id"] == "i"
    np.testing.assert_array_equal(np.array(logged["inputs"][0]["data"], want.dtype), want)


@pytest.mark.parametrize(
    "body",
    [
        request(["1.5"]),
        request([None]),
        request([True]),
        request([1.0, [2.0]], shape=[2]),
        request([[1.0], [2.0]], shape=[2, 1]),
        request([1.0], shape=[2]),
        request([1.0], shape=[-1]),
        request([1.0], shape=[True]),
        request([1], "INT64"),
        request(["a"], "BYTES"),
        request([1e300], "FP32"),
        request([1.0], parameters={"binary_data_size": 8}),
        request([1.0], extra=1),
        request([1.0]).replace(b'"id"', b'"name":1,"id"'),
        request([1.0]).replace(b'"id"', b'"inputs":[],"id"'),
        request([1.0]).replace(b"1.0", b"NaN"),
        b"[" * 5000,
        b"\xff" * 5000,
    ],
)
def test_what_is_unusual_or_wrong_is_left_to_the_strict_reader(body: bytes) -> None:
    assert read_large(body) is None


def test_a_small_request_is_left_to_the_strict_reader() -> None:
    assert read_large(request([1.0]).strip()) is None
