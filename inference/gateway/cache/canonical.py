"""The canonical form of a question: equal questions have one key, however they were written.

``{"b": 1.0, "a": -0.0}`` and ``{"a": 0, "b": 1}`` are equal: keys are sorted, a number is written as the whole number
it equals or in its shortest form, text is in Unicode's normal form C. True is not 1, and a text is not a number. NaN
and infinity are no JSON and are refused, since no NaN equals another.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from json.encoder import encode_basestring
from typing import Any

import numpy as np
import orjson

from components.errors import InvalidRequest

_SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
_NOT_PLAIN = re.compile(rb"[0-9]e|0\.0000|\.0(?![0-9])|null|\\|[^\x00-\x7f]")
"""What orjson may write otherwise than the canonical form: exponents, small and whole floats, NaN (as null), escapes,
accents."""

REMEDY = "Send plain JSON: objects, lists, text, finite numbers, true, false and null."


def canonical_key(value: Any) -> bytes:
    """Return the SHA-256 of a value's canonical form, 32 bytes.

    Parameters
    ----------
    value
        JSON as Python has it; arrays may stand in it, by dtype, shape and values.

    Examples
    --------
    >>> canonical_key({"b": 1.0, "a": -0.0}) == canonical_key({"a": 0, "b": 1})
    True
    >>> canonical_key({"a": True}) == canonical_key({"a": 1})
    False

    Raises
    ------
    InvalidRequest
        If the value is no JSON: NaN, infinity, keys that are no text, or two keys that are the same in normal form.
    """
    return hashlib.sha256(_plain_bytes(value) or canonical_bytes(value)).digest()


def _plain_bytes(value: Any) -> bytes | None:
    """Return the canonical form where orjson writes the very same, a tenth of the time; else None."""
    try:
        written = orjson.dumps(value, option=_SORTED)
    except orjson.JSONEncodeError:
        return None
    return None if _NOT_PLAIN.search(written) else written


def canonical_bytes(value: Any) -> bytes:
    """Return a value's canonical form.

    Examples
    --------
    >>> canonical_bytes({"b": [1e2, 0.1], "a": None})
    b'{"a":null,"b":[100,0.1]}'

    Raises
    ------
    InvalidRequest
        See :func:`canonical_key`.
    """
    parts: list[str] = []
    try:
        _write(value, parts.append)
        return "".join(parts).encode()
    except RecursionError as error:
        raise InvalidRequest("The request is nested too deeply.", "Send it with fewer levels.") from error
    except UnicodeEncodeError as error:
        raise InvalidRequest("A text holds half of a surrogate pair.", REMEDY) from error


def _write(value: Any, write: Any) -> None:
    kind = type(value)
    if kind is str:
        write(_text(value))
    elif kind is float:
        write(_float(value))
    elif kind is int:
        write(_integer(value))
    elif kind is dict:
        _write_object(value, write)
    elif kind is list:
        _write_list(value, write)
    else:
        _write_other(value, write)


def _write_other(value: Any, write: Any) -> None:
    if value is None or isinstance(value, bool | np.bool_):
        write("null" if value is None else "true" if value else "false")
    elif isinstance(value, str):
        write(_text(str(value)))
    elif isinstance(value, int | np.integer):
        write(_integer(int(value)))
    elif isinstance(value, float | np.floating):
        write(_float(float(value)))
    elif isinstance(value, dict):
        _write_object(value, write)
    elif isinstance(value, tuple | list):
        _write_list(value, write)
    elif isinstance(value, np.ndarray):
        _write_array(value, write)
    else:
        raise InvalidRequest(f"A {type(value).__name__} is no JSON.", REMEDY)


def _write_object(value: dict[Any, Any], write: Any) -> None:
    named: dict[str, Any] = {}
    for name, item in value.items():
        if not isinstance(name, str):
            raise InvalidRequest(f"The key {name!r:.80} is no text.", REMEDY)
        named[_normal(name)] = item
    if len(named) != len(value):
        raise InvalidRequest("Two keys of an object are the same text, written differently.", "Send one of them.")
    separator = "{"
    for name in sorted(named):
        write(separator)
        write(encode_basestring(name))
        write(":")
        _write(named[name], write)
        separator = ","
    write("}" if value else "{}")


def _write_list(value: list[Any] | tuple[Any, ...], write: Any) -> None:
    separator = "["
    for item in value:
        write(separator)
        _write(item, write)
        separator = ","
    write("]" if value else "[]")


def _write_array(value: np.ndarray[Any, Any], write: Any) -> None:
    """Write a tensor as no JSON value can look: ``<f4(2,3)`` and its values' digest."""
    if value.dtype.kind not in "biuf":
        write("O")
        _write(value.tolist(), write)
        return
    if value.dtype.kind == "f":
        if not np.isfinite(value).all():
            raise InvalidRequest("A tensor holds NaN or infinity.", REMEDY)
        value = value + value.dtype.type(0)  # -0.0 becomes 0.0
    plain = np.ascontiguousarray(value, value.dtype.newbyteorder("<"))
    write(f"{plain.dtype.str}{list(value.shape)}{hashlib.sha256(plain.data).hexdigest()}")


def _integer(value: int) -> str:
    try:
        return str(value)
    except ValueError as error:
        raise InvalidRequest("A whole number has more than 4300 digits.", REMEDY) from error


def _float(value: float) -> str:
    written = repr(value)
    if written.endswith(".0"):
        return written[:-2] if value else "0"
    if "n" in written:  # nan, inf
        raise InvalidRequest(f"{value} is no JSON number.", REMEDY)
    return str(int(value)) if value.is_integer() else written


def _normal(value: str) -> str:
    return value if value.isascii() else unicodedata.normalize("NFC", value)


def _text(value: str) -> str:
    return encode_basestring(_normal(value))
