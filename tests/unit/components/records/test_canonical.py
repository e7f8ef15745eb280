"""Canonical bytes are the same before a value goes into a database and after it comes back."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.records.canonical import canonical

numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab01", max_size=3), inner, max_size=4),
    max_leaves=12,
)


def through_jsonb(value: Any) -> Any:
    """Return a value as PostgreSQL's jsonb gives it back: keys in another order, numbers written out, no minus zero."""
    if isinstance(value, dict):
        return {key: through_jsonb(value[key]) for key in sorted(value, key=lambda key: (len(key), key))}
    if isinstance(value, list):
        return [through_jsonb(each) for each in value]
    if isinstance(value, float):
        return json.loads(f"{Decimal(repr(value)) + 0:f}")
    return value


@given(values)
def test_a_round_trip_through_jsonb_changes_nothing(value: Any) -> None:
    assert canonical(through_jsonb(value)) == canonical(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (10**17, 10**17 + 1),
        (1e300, 1e301),
        (10**30, 10**30 + 1),
        ("1e16", 1e16),
        (0.1, 0.1 + 2**-56),
        ({"a": 1}, {"b": 1}),
        ([1, 2], [2, 1]),
        (None, 0),
    ],
)
def test_what_differs_has_other_bytes(one: Any, other: Any) -> None:
    assert canonical(one) != canonical(other)


def test_known_answers() -> None:
    """These bytes are in every log that was ever written: a release that changes them finds all of them tampered with."""
    value = {
        "ü": [1, 1.0, 0.1, -0.0, 1e16, 1.5e300, 0.0001, 0.00001, 2.5e-7, 10**16, -(2**63)],
        "a": ["\x1f\u2028", None],
    }
    assert canonical(value).decode() == (
        '{"a":["\\u001f\u2028",null],"ü":[1,1.0,0.1,0.0,"\\u0000number:1e16","\\u0000number:15e299",0.0001,'
        '"\\u0000number:1e-5","\\u0000number:25e-8","\\u0000number:1e16","\\u0000number:-9223372036854775808e0"]}'
    )


@pytest.mark.parametrize("value", [1e16, 1e-5, 10**16, -1e16, -0.0])
def test_a_bare_number_is_the_same_as_one_in_a_list(value: float) -> None:
    assert b"[" + canonical(value) + b"]" == canonical([value])
