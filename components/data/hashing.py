"""A content hash of a frame, for lineage: the same rows give the same hash on any machine."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd


def data_hash(frame: pd.DataFrame) -> str:
    """Return the SHA-256 of a frame's columns and values, in hexadecimal.

    The index, the storage format and whether strings are ``object`` or ``string`` do not matter; row order, column
    order and every value do. NaN and None hash alike, and so do 0.0 and -0.0.

    Parameters
    ----------
    frame : DataFrame
        Columns of numbers, booleans, strings, timestamps, or lists of numbers.
    """
    digest = hashlib.sha256()
    for name in frame.columns:
        kind, content = _column_bytes(frame[name])
        digest.update(f"{name}\x00{kind}\x00{len(frame)}\x00{len(content)}\x00".encode())
        digest.update(content)
    return digest.hexdigest()


def _column_bytes(column: pd.Series) -> tuple[str, bytes]:
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if pd.api.types.is_datetime64_any_dtype(column):
        return "time", column.to_numpy("datetime64[ns]").astype("<i8").tobytes()
    if pd.api.types.is_bool_dtype(column):
        return "bool", column.to_numpy(bool).tobytes()
    if pd.api.types.is_integer_dtype(column) and not column.isna().any():
        return "int", column.to_numpy("<i8").tobytes()
    if pd.api.types.is_numeric_dtype(column):
        values = column.to_numpy("<f8", na_value=np.nan) + 0.0
        values[np.isnan(values)] = np.nan
        return "float", values.tobytes()
    return "object", b"".join(_value_bytes(v) for v in column)


def _value_bytes(value: object) -> bytes:
    if isinstance(value, list | tuple | np.ndarray):
        content = np.asarray(value, dtype="<f8").tobytes()
    elif value is None or value is pd.NA or value != value:
        content = b"\x00null"
    else:
        content = str(value).encode()
    return len(content).to_bytes(8, "little") + content
