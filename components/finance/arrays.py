"""Arrays in a safetensors file, read and written with numpy alone.

A predictor image holds numpy and no ``safetensors``; the format is a length, a JSON header and raw bytes, so that it
needs no library (https://github.com/huggingface/safetensors#format). Nothing in such a file can run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.errors import ArtifactCorrupt

SUFFIX: Final = ".safetensors"
_CODES: Final[dict[str, str]] = {
    "BOOL": "|b1",
    "I8": "|i1",
    "U8": "|u1",
    "I16": "<i2",
    "U16": "<u2",
    "I32": "<i4",
    "U32": "<u4",
    "I64": "<i8",
    "U64": "<u8",
    "F16": "<f2",
    "F32": "<f4",
    "F64": "<f8",
}
_NAMES: Final = {np.dtype(code): name for name, code in _CODES.items()}
_LENGTH, _ALIGNMENT, _LONGEST_HEADER = 8, 8, 100_000_000


def save_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Write arrays by name.

    Parameters
    ----------
    path : Path
        Ends in ``.safetensors``.
    arrays : mapping of str to ndarray
        Of numbers or truth values, any shape, also empty.

    Raises
    ------
    ValueError
        If the path ends otherwise, or an array is of text or objects.
    """
    if path.suffix != SUFFIX:
        raise ValueError(f"{path.name} does not end in {SUFFIX}")
    header: dict[str, Any] = {}
    parts: list[bytes] = []
    end = 0
    for name, array in arrays.items():
        data, code = _bytes_of(name, np.asarray(array))
        header[name] = {"dtype": code, "shape": list(np.shape(array)), "data_offsets": [end, end + len(data)]}
        parts.append(data)
        end += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    path.write_bytes(b"".join([len(text).to_bytes(_LENGTH, "little"), text, *parts]))


def load_arrays(path: Path) -> dict[str, npt.NDArray[Any]]:
    """Read what :func:`save_arrays`, or the ``safetensors`` package, wrote.

    Returns
    -------
    dict of str to ndarray
        Own copies, writable.

    Raises
    ------
    ArtifactCorrupt
        If the file is missing, truncated, or its header does not describe its bytes.
    """
    try:
        raw = path.read_bytes()
        header, body = _split(raw)
        return {name: _array(body, entry) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArtifactCorrupt(
            f"{path.name} cannot be read as safetensors: {error}", "Copy the artifact again, or train a new version."
        ) from error


def _bytes_of(name: str, array: npt.NDArray[Any]) -> tuple[bytes, str]:
    little = array.dtype.newbyteorder("<")
    if little not in _NAMES:
        raise ValueError(f"array {name!r} has dtype {array.dtype}; safetensors holds {', '.join(_CODES)}")
    return np.ascontiguousarray(array, dtype=little).tobytes(), _NAMES[little]


def _split(raw: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(raw[:_LENGTH], "little")
    if len(raw) < _LENGTH or length > min(len(raw) - _LENGTH, _LONGEST_HEADER):
        raise ValueError(f"a header of {length} bytes does not fit a file of {len(raw)}")
    header = json.loads(raw[_LENGTH : _LENGTH + length])
    if not isinstance(header, dict):
        raise ValueError("the header is no JSON object")
    return header, raw[_LENGTH + length :]


def _array(body: bytes, entry: dict[str, Any]) -> npt.NDArray[Any]:
    dtype = np.dtype(_CODES[entry["dtype"]])
    start, end = entry["data_offsets"]
    shape = tuple(int(n) for n in entry["shape"])
    size = dtype.itemsize
    for n in shape:
        size *= n
    if not 0 <= start <= end <= len(body) or end - start != size or any(n < 0 for n in shape):
        raise ValueError(f"bytes {start} to {end} do not hold {entry['dtype']} of shape {shape}")
    native = dtype.newbyteorder("=")
    return np.frombuffer(body[start:end], dtype=dtype).reshape(shape).astype(native)
