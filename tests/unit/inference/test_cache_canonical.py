"""The canonical key: equal questions have one key, different ones never the same."""

from __future__ import annotations

import json
import math
import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import InvalidRequest
from inference.gateway.cache.canonical import _plain_bytes, canonical_bytes, canonical_key

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=8)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def model(value: Any) -> Any:
    """Return what a value means, in a form whose equality is the canonical form's."""
    if isinstance(value, bool) or value is None:
        return ("constant", str(value))
    if isinstance(value, str):
        return ("text", unicodedata.normalize("NFC", value))
    if isinstance(value, int | float):
        return ("number", value)
    if isinstance(value, list):
        return ("list", tuple(map(model, value)))
    return ("object", frozenset((unicodedata.normalize("NFC", k), model(v)) for k, v in value.items()))


def key_of(value: Any) -> bytes | None:
    """Return the key, or None for two keys of one object that are the same text."""
    try:
        return canonical_key(value)
    except InvalidRequest:
        return None


def written_otherwise(value: Any, draw: Any) -> Any:
    """Return an equal value, written differently: keys permuted, numbers of the other kind, text decomposed."""
    if isinstance(value, dict):
        items = draw(st.permutations(list(value.items())))
        return {unicodedata.normalize("NFD", k): written_otherwise(v, draw) for k, v in items}
    if isinstance(value, list):
        return [written_otherwise(v, draw) for v in value]
    if isinstance(value, str):
        return unicodedata.normalize("NFD", value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53:
        return float(value)
    return value


@given(VALUES, st.data())
def test_equal_questions_have_one_key(value: Any, data: st.DataObject) -> None:
    key = key_of(value)
    if key is not None:
        assert canonical_key(written_otherwise(value, data.draw)) == key


@given(VALUES, VALUES)
def test_keys_are_equal_exactly_where_meanings_are(one: Any, other: Any) -> None:
    keys = key_of(one), key_of(other)
    if None not in keys:
        assert (keys[0] == keys[1]) == (model(one) == model(other))


@given(st.lists(VALUES, max_size=30))
def test_many_different_questions_have_as_many_keys(values: list[Any]) -> None:
    keys = {model(value): key for value in values if (key := key_of(value)) is not None}
    assert len(set(keys.values())) == len(keys)


@given(VALUES)
def test_the_form_is_json_of_the_same_meaning(value: Any) -> None:
    if key_of(value) is not None:
        assert model(json.loads(canonical_bytes(value))) == model(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, "1"),
        (None, "null"),
        ([], {}),
        ([1, 2], [2, 1]),
        ([[1], 2], [1, [2]]),
        (2**53 + 1, float(2**53)),
        ({"a": {"b": 1}}, {"a": 1, "b": 1}),
        ('a","b', ["a", "b"]),
        ("ﬁ", "fi"),
        (0.1, np.float32(0.1)),
    ],
)
def test_what_differs_differs(one: Any, other: Any) -> None:
    assert canonical_key(one) != canonical_key(other)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (math.nan, "nan"),
        ([-math.inf], "inf"),
        ({1: 2}, "1"),
        ({"a": object()}, "object"),
        (["\ud83d"], "surrogate"),
        ({"é": 1, "e\u0301": 2}, "same text"),
        ([10**5000], "4300"),
        (np.array([np.nan]), "NaN"),
        ({"a": {1}}, "set"),
    ],
)
def test_what_is_no_json_is_refused(wrong: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        canonical_key(wrong)


def test_a_question_without_end_is_refused() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(InvalidRequest, match="nested"):
        canonical_key(deep)


def test_tensors_go_by_type_shape_and_values() -> None:
    one = np.array([[1.0, -0.0], [2.5, 3.0]], np.float32)
    same = np.asfortranarray(one + 0.0).astype(">f4")
    assert canonical_key({"x": one}) == canonical_key({"x": same})
    assert canonical_key(np.array(["a", "b"], object)) == canonical_key(np.array(["a", "b"], object))
    others = [
        one.astype(np.float64),
        one.reshape(4),
        one + 1,
        one.tolist(),
        np.array(["a"], object),
        np.array(["b"], object),
    ]
    assert len({canonical_key(v) for v in [one, *others]}) == 7


def test_numpys_scalars_are_the_numbers_they_hold() -> None:
    assert canonical_key([np.int64(3), np.float64(0.5), np.bool_(True)]) == canonical_key([3.0, 0.5, True])


@given(VALUES | st.floats(-1e-2, 1e-2) | st.floats(-1e18, 1e18))
def test_the_short_way_writes_what_the_long_way_does(value: Any) -> None:
    short = _plain_bytes(value)
    assert short is None or short == canonical_bytes(value)


def test_both_ways_sort_keys_by_their_text_and_not_by_its_quotes() -> None:
    names = ["a", "a b", "a!", 'a"', "a#", "a\\", "é", "\U0001f600", "\uffff"]
    whole, written = dict.fromkeys(names[:3], 1), dict.fromkeys(reversed(names[:3]), 1.0)
    assert _plain_bytes(whole) == canonical_bytes(written)
    assert list(json.loads(canonical_bytes(dict.fromkeys(reversed(names), 1)))) == sorted(names)


def test_a_plain_question_takes_the_short_way() -> None:
    assert _plain_bytes({"b": [0.5, 2, -1.25], "a": "SP500"}) == b'{"a":"SP500","b":[0.5,2,-1.25]}'
    assert _plain_bytes({"a": math.nan}) is None
