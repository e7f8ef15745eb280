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
