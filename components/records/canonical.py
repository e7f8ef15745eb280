"""One sequence of bytes per JSON value, the same before it goes into a database and after it comes back.

PostgreSQL's jsonb sorts keys, forgets the sign of minus zero and writes ``1e16`` as ``10000000000000000``; so numbers
from 1e16 on become text with their shortest digits, and minus zero becomes zero.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import orjson

_SPECIAL = re.compile(rb"-0\.0(?!\d)|\d[eE]|\d{17}")
_LARGE = 10**16


def canonical(value: Any) -> bytes:
    """Return a JSON value's canonical bytes: UTF-8, sorted keys, no spaces.

    Examples
    --------
    >>> canonical({"b": 1e16, "a": -0.0}) == canonical({"a": 0.0, "b": 10**16})
    True
    """
    try:
        data = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        # An integer beyond 64 bits: how a large float comes back from jsonb.
        return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS)
    return orjson.dumps(_plain(value), option=orjson.OPT_SORT_KEYS) if _SPECIAL.search(data) else data


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return _digits(repr(value)) if abs(value) >= _LARGE else value + 0.0
    if isinstance(value, int) and abs(value) >= _LARGE:
        return _digits(str(value))
    return value


def _digits(number: str) -> str:
    sign, digits, exponent = Decimal(number).as_tuple()
    text = "".join(map(str, digits))
    shortest = text.rstrip("0")
    return f"\0number:{'-' * sign}{shortest}e{int(exponent) + len(text) - len(shortest)}"
