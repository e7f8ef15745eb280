"""The V2 codec: what is encoded decodes to the same, and what is wrong is refused where it stands."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from components.errors import InvalidRequest
from components.models.schema import DTYPES, Schema, Tensor
from inference.v2 import decode_response, encode_request, parse_request
from inference.v2.json_data import array_from_json
from inference.v2.response import BatchAnswer, ResponseEncoder

DATATYPES = [name for name in DTYPES if name != "BYTES"]


@st.composite
def tensors(draw: st.DrawFn) -> np.ndarray[Any, Any]:
    datatype = draw(st.sampled_from([*DATATYPES, "BYTES"]))
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4))
    if datatype == "BYTES":
        count = int(np.prod(shape))
        values = draw(st.lists(st.text(st.characters(codec="utf-8")), min_size=count, max_size=count))
        return np.array(values, dtype=object).reshape(shape)
    elements = {"allow_nan": False, "allow_infinity": False} if datatype.startswith("FP") else {}
    dtype = np.dtype(DTYPES[datatype])
    array: np.ndarray[Any, Any] = draw(
        hnp.arrays(dtype, shape, elements=hnp.from_dtype(dtype, **elements))  # type: ignore[arg-type]
    )
    return array


@given(st.dictionaries(st.text(min_size=1, max_size=8), tensors(), min_size=1, max_size=3), st.booleans())
def test_a_request_comes_back_as_it_was(inputs: dict[str, np.ndarray[Any, Any]], binary: bool) -> None:
    body, headers = encode_request(inputs, binary, request_id="r1")
    length = headers.get("Inference-Header-Content-Length")
    request = parse_request(body, int(length) if length else None)
    assert request.id == "r1"
    assert request.binary_outputs == binary
    assert [t.name for t in request.inputs] == list(inputs)
    for tensor_in in request.inputs:
        got, want = tensor_in.array(), inputs[tensor_in.name]
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


@given(tensors())
def test_nested_data_equals_flat_data(array: np.ndarray[Any, Any]) -> None:
    datatype = "BYTES" if array.dtype == object else {np.dtype(v): k for k, v in DTYPES.items()}[array.dtype]
    nested = orjson.loads(orjson.dumps(array.tolist()))
    np.testing.assert_array_equal(array_from_json(nested, datatype, array.shape, "data"), array)


def arrays(body: bytes, length: int | None = None) -> list[np.ndarray[Any, Any]]:
    return [tensor_in.array() for tensor_in in parse_request(body, length).inputs]


def refusal(body: bytes, length: int | None = None) -> InvalidRequest | None:
    try:
        arrays(body, length)
    except InvalidRequest as error:
        return error
    return None


def _body(**change: Any) -> bytes:
    tensor = {"name": "a", "shape": [2], "datatype": "FP64", "data": [1.0, 2.0], **change}
    return orjson.dumps({"inputs": [{k: v for k, v in tensor.items() if v is not ...}]})


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "body"),
        (b"[1]", "body"),
        (b'{"inputs":[', "body"),
        (b'{"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[NaN]}]}', "body"),
        (b"\xff\xfe", "body"),
        (b"{}", "inputs"),
        (b'{"inputs":[]}', "inputs"),
        (b'{"inputs":{}}', "inputs"),
        (b'{"inputs":[7]}', "inputs[0]"),
        (b'{"id":7,"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]}]}', "id"),
        (b'{"outputs":[{}],"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]}]}', "outputs[0].name"),
        (b'{"outputs":7,"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]}]}', "outputs"),
        (b'{"parameters":7,"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[1]}]}', "parameters"),
        (_body(name=...), "inputs[0].name"),
        (_body(name=7), "inputs[0].name"),
        (_body(datatype="FP16"), "inputs[0].datatype"),
        (_body(datatype=[]), "inputs[0].datatype"),
        (_body(datatype=...), "inputs[0].datatype"),
        (_body(shape=...), "inputs[0].shape"),
        (_body(shape=[-1]), "inputs[0].shape"),
        (_body(shape=[2.0]), "inputs[0].shape"),
        (_body(shape="2"), "inputs[0].shape"),
        (_body(data=...), "inputs[0].data"),
        (_body(data=7), "inputs[0].data"),
        (_body(data=[1.0]), "inputs[0].data"),
        (_body(data=[1.0, "x"]), "inputs[0].data[1]"),
        (_body(data=[None, 1.0]), "inputs[0].data[0]"),
        (_body(data=[1.0, True]), "inputs[0].data[1]"),
        (_body(data=[[1.0], [2.0]]), "inputs[0].data[0]"),
        (_body(shape=[2, 1], data=[[1.0], 2.0]), "inputs[0].data[1]"),
        (_body(shape=[2, 1], data=[[1.0], [2.0, 3.0]]), "inputs[0].data[1]"),
        (_body(datatype="INT64", data=[1, 1.5]), "inputs[0].data[1]"),
        (_body(datatype="INT8", data=[1, 128]), "inputs[0].data[1]"),
        (_body(datatype="UINT8", data=[-1, 1]), "inputs[0].data[0]"),
        (_body(datatype="BOOL", data=[True, 1]), "inputs[0].data[1]"),
        (_body(datatype="BYTES", data=["a", 1]), "inputs[0].data[1]"),
        (_body(datatype="FP32", data=[1.0, 1e300]), "inputs[0].data[1]"),
        (_body(data=..., parameters={"binary_data_size": 16}), "inputs[0].parameters.binary_data_size"),
        (_body(data=..., parameters={"shared_memory_region": "r"}), "inputs[0].parameters"),
    ],
)
def test_a_wrong_body_is_refused_where_it_is_wrong(body: bytes, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        arrays(body)
    assert caught.value.path == path
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("size", "tail", "datatype", "path"),
    [
        (16, b"x" * 15, "FP64", "inputs[0].parameters.binary_data_size"),
        (16, b"x" * 17, "FP64", "body"),
        (8, b"x" * 8, "FP64", "inputs[0].data"),
        (-1, b"", "FP64", "inputs[0].parameters.binary_data_size"),
        (2, b"\x01\x02", "BOOL", "inputs[0].data"),
        (7, b"\x01\0\0\0a\0\0", "BYTES", "inputs[0].data"),
        (10, b"\x01\0\0\0a\x01\0\0\0\xff", "BYTES", "inputs[0].data[1]"),
    ],
)
def test_wrong_binary_data_is_refused(size: int, tail: bytes, datatype: str, path: str) -> None:
    head = orjson.dumps(
        {"inputs": [{"name": "a", "shape": [2], "datatype": datatype, "parameters": {"binary_data_size": size}}]}
    )
    with pytest.raises(InvalidRequest) as caught:
        arrays(head + tail, len(head))
    assert caught.value.path == path


@pytest.mark.parametrize("length", [0, 10**9])
def test_a_header_length_outside_the_body_is_refused(length: int) -> None:
    with pytest.raises(InvalidRequest) as caught:
        parse_request(_body(), length)
    assert caught.value.path == "Inference-Header-Content-Length"


@given(st.binary(max_size=200), st.none() | st.integers(-5, 300))
def test_no_bytes_make_the_decoder_fail_otherwise(body: bytes, length: int | None) -> None:
    error = refusal(body, length)
    assert error is None or error.path


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("name", "shape", "datatype", "data", "parameters"), _json)),
    _json,
    _json,
)
def test_no_json_makes_the_decoder_fail_otherwise(tensor: dict[str, Any], outputs: Any, parameters: Any) -> None:
    full = {"name": "a", "shape": [1], "datatype": "FP64", "data": [1.0], **tensor}
    for entry in (tensor, full):
        error = refusal(orjson.dumps({"inputs": [entry], "outputs": outputs, "parameters": parameters}))
        assert error is None or error.path


def test_a_response_is_decoded() -> None:
    head = orjson.dumps(
        {
            "model_name": "m",
            "parameters": {"a": 1},
            "outputs": [
                {"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}},
                {"name": "y", "datatype": "BYTES", "shape": [1], "data": ["é"]},
            ],
        }
    )
    body = head + np.array([1.5, 2.5], np.float32).tobytes()
    outputs, parameters = decode_response(body, {"inference-header-content-length": str(len(head))})
    assert parameters == {"model_name": "m", "a": 1}
    np.testing.assert_array_equal(outputs["x"], np.array([[1.5, 2.5]], np.float32))
    assert outputs["y"].tolist() == ["é"]


def test_an_output_of_any_length_tells_how_long_it_is() -> None:
    encoder = ResponseEncoder("m", "1", Schema((Tensor("parts", "FP64", (-1,)),)))
    for length in (0, 1, 3):
        answer = BatchAnswer({"parts": np.arange(3.0 * length).reshape(3, length)}, b"{}")
        body, _ = encoder.encode(answer, 1, 2, "")
        outputs, _ = decode_response(body, {})
        assert outputs["parts"].tolist() == [[float(length + i) for i in range(length)]]
