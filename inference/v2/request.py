"""Decoding of V2 requests into tensors that still look as the client sent them; nothing here knows a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from components.errors import InvalidRequest
from components.models.schema import DTYPES
from inference.v2.datatypes import Array, from_binary
from inference.v2.json_data import array_from_json
from inference.v2.json_large import read_large

LENGTH_HEADER = "Inference-Header-Content-Length"


class TensorIn:
    """One input as the client sent it: ``data`` is a JSON list, raw bytes, or an array that a transport decoded."""

    __slots__ = ("data", "datatype", "index", "name", "shape")

    def __init__(self, index: int, name: str, datatype: str, shape: tuple[int, ...], data: Any) -> None:
        self.index = index
        self.name = name
        self.datatype = datatype
        self.shape = shape
        self.data = data

    @property
    def path(self) -> str:
        """Where the input stands in the request."""
        return f"inputs[{self.index}]"

    def array(self) -> Array:
        """Return the data as an array of the declared datatype and shape.

        Raises
        ------
        InvalidRequest
            With the path of the first value that does not fit.
        """
        if isinstance(self.data, list):
            return array_from_json(self.data, self.datatype, self.shape, f"{self.path}.data")
        if isinstance(self.data, np.ndarray):
            return self.data
        return from_binary(self.data, self.datatype, self.shape, f"{self.path}.data")


class WantedOutput:
    """One entry of a request's ``outputs``."""

    __slots__ = ("binary", "name")

    def __init__(self, name: str, binary: bool) -> None:
        self.name = name
        self.binary = binary


class InferRequest:
    """A decoded request.

    Attributes
    ----------
    id : str
        Empty when the client sent none.
    inputs : sequence of TensorIn
        In the client's order.
    outputs : sequence of WantedOutput
        Empty for all outputs.
    binary_outputs : bool
        Whether outputs are binary unless they say otherwise.
    large : dict or None
        What :func:`~inference.v2.json_large.read_large` read, if it did.
    """

    __slots__ = ("binary_outputs", "id", "inputs", "large", "outputs")

    def __init__(
        self, id: str, inputs: Sequence[TensorIn], outputs: Sequence[WantedOutput] = (), binary_outputs: bool = False
    ) -> None:
        self.id = id
        self.inputs = inputs
        self.outputs = outputs
        self.binary_outputs = binary_outputs
        self.large: dict[str, Any] | None = None


def parse_request(body: bytes, header_length: int | None = None) -> InferRequest:
    """Decode the body of ``POST /v2/models/{name}/infer``.

    Parameters
    ----------
    body : bytes
        JSON, or JSON followed by binary tensors.
    header_length : int or None
        Length of the JSON part (``Inference-Header-Content-Length``); None when all is JSON.

    Raises
    ------
    InvalidRequest
        With the path of the first thing that is wrong.
    """
    large = read_large(body) if header_length is None else None
    raw = _parse_json(body, header_length) if large is None else large
    tail = _Tail(body, header_length)
    entries = raw.get("inputs")
    if type(entries) is not list or not entries:
        raise InvalidRequest("a list with at least one tensor is required", 'Send {"inputs": [{...}]}.', path="inputs")
    inputs = [_parse_input(i, entry, tail) for i, entry in enumerate(entries)]
    tail.close()
    parameters = raw.get("parameters")
    wanted = raw.get("outputs")
    request_id = raw.get("id")
    if request_id is not None and type(request_id) is not str:
        raise InvalidRequest(f"{request_id!r} is not a string", "Send the id as text.", path="id")
    request = InferRequest(
        request_id or "",
        inputs,
        _parse_outputs(wanted, _flag(parameters, "binary_data_output", "parameters")) if wanted else (),
        _flag(parameters, "binary_data_output", "parameters"),
    )
    request.large = large
    return request


def _parse_json(body: bytes, header_length: int | None) -> dict[str, Any]:
    if header_length is not None and not 0 < header_length <= len(body):
        raise InvalidRequest(
            f"{header_length} does not lie within the body of {len(body)} bytes",
            "Send the length of the JSON part before the binary data.",
            path=LENGTH_HEADER,
        )
    try:
        raw = orjson.loads(body if header_length is None else memoryview(body)[:header_length])
    except orjson.JSONDecodeError as error:
        raise _malformed(error) from error
    if type(raw) is not dict:
        raise InvalidRequest("the body is not a JSON object", 'Send {"inputs": [{...}]}.', path="body")
    return raw


def _malformed(error: orjson.JSONDecodeError) -> InvalidRequest:
    rest = error.doc[error.pos :] if isinstance(error.doc, str) else ""
    token = rest.lstrip("-")[:3]
    if token in ("NaN", "Inf"):
        return InvalidRequest(
            f"{token} at line {error.lineno} column {error.colno} is not a JSON number",
            "Impute or drop the row; models never see NaN or infinity.",
            path="body",
        )
    return InvalidRequest(
        f"malformed JSON at line {error.lineno} column {error.colno} (byte {error.pos}): {error.msg}",
        f"Send one JSON object; binary tensors need the {LENGTH_HEADER} header.",
        path="body",
    )


def _parse_input(index: int, entry: Any, tail: _Tail) -> TensorIn:
    try:
        name, datatype, shape = entry["name"], entry["datatype"], entry["shape"]
        known = datatype in DTYPES
    except (TypeError, KeyError) as error:
        raise _incomplete(index, entry) from error
    if type(name) is not str or not known or type(shape) is not list:
        raise _wrong_header(index, name, datatype, shape)
    for n in shape:
        if type(n) is not int or n < 0:
            raise _wrong_header(index, name, datatype, shape)
    parameters = entry.get("parameters")
    if parameters:
        size = parameters.get("binary_data_size") if type(parameters) is dict else None
        if size is not None:
            return TensorIn(index, name, datatype, tuple(shape), tail.take(size, index))
        if type(parameters) is dict and "shared_memory_region" in parameters:
            raise InvalidRequest(
                "shared memory is not served", "Send the data in the request.", path=f"inputs[{index}].parameters"
            )
    data = entry.get("data")
    if type(data) is not list and type(data) is not np.ndarray:
        problem = "data is missing" if data is None else f"{type(data).__name__} is not a list"
        raise InvalidRequest(problem, "Send data as a list, or binary_data_size.", path=f"inputs[{index}].data")
    return TensorIn(index, name, datatype, tuple(shape), data)


def _incomplete(index: int, entry: Any) -> InvalidRequest:
    path = f"inputs[{index}]"
    remedy = "Send name, shape, datatype and data."
    if type(entry) is not dict:
        return InvalidRequest(f"{entry!r:.40} is not an object", remedy, path=path)
    for key in ("name", "datatype", "shape"):
        if key not in entry:
            return InvalidRequest(f"{key} is missing", remedy, path=f"{path}.{key}")
    return InvalidRequest(f"{entry['datatype']!r:.40} is not a datatype", remedy, path=f"{path}.datatype")


def _wrong_header(index: int, name: Any, datatype: Any, shape: Any) -> InvalidRequest:
    path = f"inputs[{index}]"
    if type(name) is not str:
        return InvalidRequest(f"{name!r:.40} is not text", "Name the tensor.", path=f"{path}.name")
    if type(datatype) is not str or datatype not in DTYPES:
        return InvalidRequest(
            f"{datatype!r:.40} is not a datatype", f"Use one of {', '.join(DTYPES)}.", path=f"{path}.datatype"
        )
    return InvalidRequest(f"{shape!r:.60} is not a list of whole numbers", "Send e.g. [1, 30].", path=f"{path}.shape")


def _flag(parameters: Any, key: str, path: str) -> bool:
    if not parameters:
        return False
    if type(parameters) is not dict:
        raise InvalidRequest(f"{parameters!r:.40} is not an object", 'Send {"key": value}.', path=path)
    value = parameters.get(key, False)
    if type(value) is not bool:
        raise InvalidRequest(f"{value!r:.40} is not a boolean", "Send true or false.", path=f"{path}.{key}")
    return value


def _parse_outputs(wanted: Any, default: bool) -> list[WantedOutput]:
    if type(wanted) is not list:
        raise InvalidRequest(f"{wanted!r:.40} is not a list", 'Send [{"name": ...}], or leave it out.', path="outputs")
    found = []
    for i, entry in enumerate(wanted):
        if type(entry) is not dict or type(entry.get("name")) is not str:
            raise InvalidRequest("an output needs a name", 'Send [{"name": ...}].', path=f"outputs[{i}].name")
        parameters = entry.get("parameters")
        explicit = type(parameters) is dict and "binary_data" in parameters
        binary = _flag(parameters, "binary_data", f"outputs[{i}].parameters")
        found.append(WantedOutput(entry["name"], binary if explicit else default))
    return found


class _Tail:
    """The binary part of a body, handed out in order."""

    __slots__ = ("offset", "view")

    def __init__(self, body: bytes, header_length: int | None) -> None:
        self.view = None if header_length is None else memoryview(body)
        self.offset = header_length or 0

    def take(self, size: Any, index: int) -> memoryview:
        path = f"inputs[{index}].parameters.binary_data_size"
        if self.view is None:
            raise InvalidRequest(
                "binary data without its header", f"Send the {LENGTH_HEADER} header, or JSON data.", path=path
            )
        if type(size) is not int or size < 0:
            raise InvalidRequest(f"{size!r:.40} is not a whole number", "Send the number of bytes.", path=path)
        left = len(self.view) - self.offset
        if size > left:
            raise InvalidRequest(
                f"{size} bytes announced, {left} left in the body", "Send the whole tensor.", path=path
            )
        self.offset += size
        return self.view[self.offset - size : self.offset]

    def close(self) -> None:
        if self.view is not None and self.offset != len(self.view):
            raise InvalidRequest(
                f"{len(self.view) - self.offset} bytes follow the last tensor",
                f"Check {LENGTH_HEADER} and the binary_data_size of each input.",
                path="body",
            )
