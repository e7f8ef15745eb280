"""Binding of requests to a schema: both input forms, conversions that lose nothing, and the checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.errors import InvalidRequest
from components.models.schema import Column, Schema, Tensor
from inference.binding import Binder, Validator
from inference.v2 import encode_request, parse_request

SCHEMA = Schema(
    (
        Tensor("features", "FP64", (2,), (Column("close", minimum=0.0), Column("rsi", minimum=0.0, maximum=100.0))),
        Tensor("window", "FP32", (3, 2), (Column("close"), Column("volume"))),
    )
)
FEATURES = Schema(SCHEMA.tensors[:1])
BINDER = Binder(SCHEMA)
WINDOW = np.arange(12, dtype=np.float32).reshape(2, 3, 2)


def bind(inputs: dict[str, Any], binder: Binder = BINDER, binary: bool = True) -> tuple[dict[str, Any], int]:
    body, headers = encode_request(inputs, binary)
    length = headers.get("Inference-Header-Content-Length")
    return binder.bind(parse_request(body, int(length) if length else None))


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    "columns",
    [
        {"features": np.array([[1.0, 2.0], [3.0, 4.0]])},
        {"close": np.array([1.0, 3.0]), "rsi": np.array([[2.0], [4.0]])},
        {"features.rsi": np.array([2.0, 4.0]), "features.close": np.array([1.0, 3.0])},
        {"close": np.array([1, 3]), "rsi": np.array([2.0, 4.0], np.float32)},
        {"features": np.array([[1, 2], [3, 4]], np.int16)},
    ],
)
def test_both_input_forms_give_the_same_batch(columns: dict[str, Any], binary: bool) -> None:
    batch, rows = bind({**columns, "window": WINDOW}, binary=binary)
    assert rows == 2
    assert batch["features"].dtype == np.float64
    np.testing.assert_array_equal(batch["features"], [[1.0, 2.0], [3.0, 4.0]])
    np.testing.assert_array_equal(batch["window"], WINDOW)


ONE = np.array([1.0])


@pytest.mark.parametrize(
    ("inputs", "path"),
    [
        ({"features": np.ones((1, 2))}, "window"),
        ({"close": ONE, "window": WINDOW[:1]}, "features.rsi"),
        ({"features": np.ones((1, 3)), "window": WINDOW[:1]}, "inputs[0].shape"),
        ({"features": np.ones(2), "window": WINDOW[:1]}, "inputs[0].shape"),
        ({"features": np.ones((2, 2)), "window": WINDOW[:1]}, "inputs"),
        ({"features": np.ones((0, 2)), "window": WINDOW[:0]}, "inputs[0].shape"),
        ({"feature": np.ones((1, 2)), "window": WINDOW[:1]}, "inputs[0].name"),
        ({"features": np.ones((1, 2)), "close": ONE, "window": WINDOW[:1]}, "inputs[1].name"),
        ({"close": ONE, "features": np.ones((1, 2)), "window": WINDOW[:1]}, "inputs[1].name"),
        ({"close": ONE, "features.close": ONE, "window": WINDOW[:1]}, "inputs[1].name"),
        ({"close": ONE, "rsi": np.ones(2), "window": WINDOW[:1]}, "inputs[0].shape"),
        ({"close": np.ones((1, 2)), "rsi": ONE, "window": WINDOW[:1]}, "inputs[0].shape"),
        ({"features": np.array([["a", "b"]], object), "window": WINDOW[:1]}, "inputs[0].datatype"),
        ({"features": np.array([[True, False]]), "window": WINDOW[:1]}, "inputs[0].datatype"),
        ({"features": np.array([[1, 2**53 + 1]]), "window": WINDOW[:1]}, "inputs[0].data[1]"),
        ({"features": np.ones((1, 2)), "window": WINDOW[:1].astype(float) + 0.1}, "inputs[1].data[0]"),
    ],
)
def test_what_does_not_fit_is_refused_where_it_stands(inputs: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        bind(inputs)
    assert caught.value.path == path
    assert caught.value.remedy


def test_a_near_miss_is_named() -> None:
    with pytest.raises(InvalidRequest, match="Did you mean 'features'"):
        bind({"featurs": np.ones((1, 2)), "window": WINDOW[:1]})


@given(
    st.sampled_from(["i1", "i4", "i8", "u1", "u8", "f4", "f8"]),
    st.sampled_from(["INT8", "INT32", "INT64", "UINT8", "UINT64", "FP32", "FP64"]),
    st.data(),
)
def test_a_conversion_keeps_every_value_or_refuses(source: str, target: str, data: st.DataObject) -> None:
    dtype = np.dtype(source)
    floats = {"allow_nan": False, "allow_infinity": False} if dtype.kind == "f" else {}
    array = data.draw(hnp.arrays(dtype, (3,), elements=hnp.from_dtype(dtype, **floats)))  # type: ignore[arg-type]
    binder = Binder(Schema((Tensor("x", target),)))
    exact = all(v == w for v, w in zip(array.tolist(), _cast(array, binder), strict=True))
    if exact:
        assert bind({"x": array}, binder)[0]["x"].tolist() == array.tolist()
    else:
        with pytest.raises(InvalidRequest):
            bind({"x": array}, binder)


def _cast(array: Any, binder: Binder) -> list[Any]:
    dtype = binder.schema.tensors[0].dtype
    if dtype.kind == "f":
        with np.errstate(all="ignore"):
            return list(array.astype(dtype).tolist())
    limits = np.iinfo(dtype)
    return [int(v) if limits.min <= v <= limits.max else None for v in array.tolist()]


@given(hnp.arrays(np.float64, (3, 2), elements=st.floats(-10, 200) | st.sampled_from([np.nan, np.inf, -np.inf])))
def test_the_fast_check_agrees_with_the_schema(features: Any) -> None:
    validator = Validator(FEATURES)
    batch = {"features": features}
    try:
        FEATURES.validate(batch)
        valid = True
    except InvalidRequest:
        valid = False
    assert validator.check(batch) == valid


def test_a_value_out_of_bounds_is_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        Validator(FEATURES).explain({"features": np.array([[1.0, 2.0], [1.0, 101.0]])})
    assert caught.value.path == "features.rsi[1]"
