"""V2 datatypes: which numpy type each has, and how ``BYTES`` values are packed."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import InvalidRequest
from components.models.schema import DTYPES

Array = npt.NDArray[Any]

LITTLE_ENDIAN: dict[str, np.dtype[Any]] = {
    name: np.dtype(dtype).newbyteorder("<") for name, dtype in DTYPES.items() if name != "BYTES"
}
"""Wire types of the fixed-size datatypes."""

_NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items() if name != "BYTES"}


def datatype_of(array: Array) -> str:
    """Return the V2 datatype of an array.

    Raises
    ------
    InvalidRequest
        If the protocol has none for its dtype.
    """
    if array.dtype.kind in "OUS":
        return "BYTES"
    name = _NAMES.get(array.dtype.newbyteorder("="))
    if name is None:
        raise InvalidRequest(f"dtype {array.dtype} has no V2 datatype", f"Convert it to one of {', '.join(DTYPES)}.")
    return name


def to_binary(array: Array) -> bytes:
    """Return the raw little-endian content of an array; ``BYTES`` values with a 4-byte length before each."""
    datatype = datatype_of(array)
    if datatype != "BYTES":
        return np.ascontiguousarray(array, dtype=LITTLE_ENDIAN[datatype]).tobytes()
    parts: list[bytes] = []
    for value in array.reshape(-1).tolist():
        raw = value if isinstance(value, bytes) else str(value).encode()
        parts += (struct.pack("<I", len(raw)), raw)
    return b"".join(parts)


def from_binary(raw: bytes | memoryview, datatype: str, shape: tuple[int, ...], path: str) -> Array:
    """Inverse of :func:`to_binary`. The result is a copy: aligned and writable, as engines want it.

    Raises
    ------
    InvalidRequest
        If the length of ``raw`` does not fit ``shape``, or a string is not UTF-8.
    """
    count = 1
    for n in shape:
        count *= n
    if datatype == "BYTES":
        return _unpack_strings(raw, count, path).reshape(shape)
    dtype = LITTLE_ENDIAN[datatype]
    if len(raw) != count * dtype.itemsize:
        raise InvalidRequest(
            f"{len(raw)} bytes of {datatype} data, but shape {list(shape)} takes {count * dtype.itemsize}",
            "Make binary_data_size the product of the shape and the element's size.",
            path=path,
        )
    array = np.frombuffer(raw, dtype).astype(DTYPES[datatype]).reshape(shape)
    if datatype == "BOOL" and array.view(np.uint8).max(initial=0) > 1:
        raise InvalidRequest("a BOOL byte is neither 0 nor 1", "Send one byte per value, 0 or 1.", path=path)
    return array


def _unpack_strings(raw: bytes | memoryview, count: int, path: str) -> Array:
    values: list[str] = []
    offset, view = 0, memoryview(raw)
    while offset + 4 <= len(view):
        (length,) = struct.unpack_from("<I", view, offset)
        end = offset + 4 + length
        if end > len(view):
            break
        try:
            values.append(str(view[offset + 4 : end], "utf-8"))
        except UnicodeDecodeError as error:
            raise InvalidRequest(
                f"string {len(values)} is not UTF-8 ({error.reason})",
                "Encode text as UTF-8.",
                path=f"{path}[{len(values)}]",
            ) from error
        offset = end
    if offset != len(view) or len(values) != count:
        raise InvalidRequest(
            f"{len(view)} bytes hold {len(values)} whole strings, but the shape takes {count}",
            "Put a 4-byte little-endian length before each string.",
            path=path,
        )
    return np.array(values, dtype=object)
