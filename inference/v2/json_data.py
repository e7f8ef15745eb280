"""JSON tensor data, flat or nested, to numpy: strict about types, and exact about where a wrong value stands."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.errors import InvalidRequest, MissingValue
from components.models.schema import DTYPES
from inference.v2.datatypes import Array

_NUMBERS = frozenset({int, float})
_BOOL = frozenset({bool})
_TEXT = frozenset({str})
_INT = frozenset({int})


def array_from_json(data: list[Any], datatype: str, shape: tuple[int, ...], path: str) -> Array:
    """Return an array of ``datatype`` and ``shape``.

    Parameters
    ----------
    data : list
        As parsed from JSON: flat in row-major order, or nested as ``shape`` says.
    datatype, shape : str, tuple of int
        As the client declared them.
    path : str
        Of the data, for error messages.

    Raises
    ------
    InvalidRequest
        For text where a number belongs, null, a wrong count, a ragged list, or a value out of the datatype's range.
    """
    count = 1
    for n in shape:
        count *= n
    flat = _flatten(data, shape, path) if data and type(data[0]) is list else data
    if len(flat) != count:
        raise InvalidRequest(
            f"{len(flat)} values, but shape {list(shape)} takes {count}", "Send one value per element.", path=path
        )
    types = set(map(type, flat))
    if datatype == "FP64" or datatype == "FP32":
        if not types <= _NUMBERS:
            raise _wrong_type(flat, _NUMBERS, "a number", path)
        return _floats(flat, datatype, path).reshape(shape)
    if datatype == "BYTES":
        if not types <= _TEXT:
            raise _wrong_type(flat, _TEXT, "text", path)
        return np.array(flat, dtype=object).reshape(shape)
    if datatype == "BOOL":
        if not types <= _BOOL:
            raise _wrong_type(flat, _BOOL, "true or false", path)
        return np.array(flat, dtype=np.bool_).reshape(shape)
    if not types <= _INT:
        raise _wrong_type(flat, _INT, "a whole number", path)
    return _integers(flat, datatype, path).reshape(shape)


def _flatten(data: list[Any], shape: tuple[int, ...], path: str) -> list[Any]:
    if not shape or len(data) != shape[0]:
        raise InvalidRequest(
            f"{len(data)} elements, expected {shape[0] if shape else 1}", "Match the shape.", path=path
        )
    if len(shape) == 1:
        for i, value in enumerate(data):
            if type(value) is list:
                raise InvalidRequest("nested deeper than the shape", "Match the shape.", path=f"{path}[{i}]")
        return data
    flat: list[Any] = []
    for i, part in enumerate(data):
        if type(part) is not list:
            raise InvalidRequest(f"{part!r:.40} is not a list", "Nest every row alike.", path=f"{path}[{i}]")
        flat += _flatten(part, shape[1:], f"{path}[{i}]")
    return flat


def _wrong_type(flat: list[Any], allowed: frozenset[type], want: str, path: str) -> InvalidRequest:
    index = next(i for i, value in enumerate(flat) if type(value) not in allowed)
    value = flat[index]
    shown = "null" if value is None else f"{value!r:.60}"
    remedy = "Impute or drop the row." if value is None else f"Send {want}."
    kind = MissingValue if value is None else InvalidRequest
    return kind(f"{shown} is not {want}", remedy, path=f"{path}[{index}]")


def _floats(flat: list[Any], datatype: str, path: str) -> Array:
    array = np.array(flat, dtype=np.float64)
    if datatype == "FP64":
        return array
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    over = np.isinf(single)
    if over.any():
        index = int(np.argmax(over))
        raise InvalidRequest(f"{flat[index]} does not fit FP32", "Check its unit.", path=f"{path}[{index}]")
    return single


def _integers(flat: list[Any], datatype: str, path: str) -> Array:
    dtype = np.dtype(DTYPES[datatype])
    limits = np.iinfo(dtype)
    if flat and (min(flat) < limits.min or max(flat) > limits.max):
        index = next(i for i, v in enumerate(flat) if not limits.min <= v <= limits.max)
        raise InvalidRequest(
            f"{flat[index]} does not fit {datatype}", f"Send {limits.min} to {limits.max}.", path=f"{path}[{index}]"
        )
    return np.array(flat, dtype=dtype)
