"""JSON as both databases can hold it: PostgreSQL's JSONB refuses NaN and the NUL character."""

from __future__ import annotations

from typing import Any

import orjson

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def dumps(value: Any) -> str:
    """Return a value as JSON text: NaN and infinities are null, a NUL is U+FFFD.

    Examples
    --------
    >>> dumps({"a": float("nan"), "b": "x\\x00y"})
    '{"a":null,"b":"x�y"}'
    """
    text = orjson.dumps(value, option=_OPTIONS)
    if b"\\u0000" in text:
        text = orjson.dumps(without_nul(value), option=_OPTIONS)
    return text.decode()


def loads(text: str | bytes | float) -> Any:
    """Return the value of a JSON text; SQLite gives one that is nothing but a number as that number."""
    return orjson.loads(text) if isinstance(text, str | bytes) else text


def without_nul(value: Any) -> Any:
    """Return a JSON value with every NUL character replaced by U+FFFD."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nul(item) for item in value]
    return value
