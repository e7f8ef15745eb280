"""The search space: declared once, typed, and strict about what it is given."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.catalog import get_spec
from components.errors import ConfigurationError
from components.models.spec import ModelSpec
from components.tuning.space import Parameter, Space, has_space, space_of


class Declared:
    """A model class whose ``Params`` is given."""

    def __init__(self, params: type) -> None:
        self.Params = params


@dataclass(frozen=True)
class Loaded(ModelSpec):
    params: Any = None

    def load_model_class(self) -> Any:
        return Declared(self.params)


def spec_with(default: Any, **search: Any) -> Loaded:
    params = make_dataclass("P", [("x", type(default), field(default=default, metadata={"search": search}))])
    return Loaded("odd", "Odd", "", "me", "none", params=params)


@pytest.fixture(scope="module")
def space() -> Space:
    return space_of(get_spec("price_forecast"))


def test_it_follows_from_the_params(space: Space) -> None:
    kinds = {p.name: (p.kind, p.low, p.high, p.log) for p in space.parameters}
    assert kinds["tree_depth"] == ("int", 2, 6, False)
    assert kinds["blend_shrinkage"] == ("float", 0.25, 64.0, True)
    assert space.defaults["tree_depth"] == 3
    assert {p.name for p in space.parameters if p.candidates == ()} == {"blend_shrinkage"}


def test_text_and_kfp_floats_become_typed(space: Space) -> None:
    texts = {name: str(value) for name, value in space.defaults.items()}
    assert space.parse(texts) == space.defaults
    assert all(type(space.parse(texts)[n]) is type(v) for n, v in space.defaults.items())
    assert space.parse({**texts, "tree_depth": 4.0})["tree_depth"] == 4
    assert type(space.parse({**texts, "tree_depth": "5"})["tree_depth"]) is int


@pytest.mark.parametrize("value", ["1", "7", 1.9, "6.0001", "nan", "inf", "", None, True, "deep", "3.5", [3]])
def test_a_value_outside_is_named_with_the_range(space: Space, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"tree_depth=.*\[2, 6\]"):
        space.parse({**space.defaults, "tree_depth": value})


def test_names_are_checked(space: Space) -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'tree_depth'"):
        space.parse({**space.defaults, "tre_depth": 3})
    with pytest.raises(ConfigurationError, match="was given no lstm_rate"):
        space.parse({k: v for k, v in space.defaults.items() if k != "lstm_rate"})


@given(st.floats(0.25, 64.0))
def test_both_bounds_can_be_drawn_and_rounding_is_forgiven(value: float) -> None:
    parameter = Parameter("x", "float", 4.0, 0.25, 64.0, log=True)
    assert parameter.parse(repr(value)) == value
    assert parameter.parse(0.25) == 0.25
    assert parameter.parse(64.0 * (1 + 1e-12)) == 64.0
    with pytest.raises(ConfigurationError):
        parameter.parse(64.0 * (1 + 1e-6))


def test_choices_keep_their_type() -> None:
    choice = Parameter("x", "choice", "a", choices=("a", 2, 0.5, True))
    assert [choice.parse(t) for t in ("a", "2", "0.5", "True", "true", 2.0, True)] == ["a", 2, 0.5, True, True, 2, True]
    with pytest.raises(ConfigurationError, match="x='b' is no choice"):
        choice.parse("b")
    with pytest.raises(ConfigurationError):
        Parameter("x", "choice", 1, choices=(1, 2)).parse(True)


def test_it_survives_a_file(space: Space) -> None:
    import json

    assert Space.from_dict(json.loads(json.dumps(space.to_dict()))) == space


def test_what_a_person_fixes_is_not_searched(space: Space) -> None:
    assert "tree_depth" not in space.without(["tree_depth", "horizons"]).names
    with pytest.raises(ConfigurationError, match="nothing left to tune"):
        space.without(space.names)


@pytest.mark.parametrize(
    ("default", "search", "words"),
    [
        (1.0, {"low": 2.0, "high": 1.0}, "low < high"),
        (1.0, {"low": 0.0, "high": 2.0, "log": True}, "0 < low"),
        (1.0, {"low": 1.0}, "low < high"),
        (3.0, {"low": 1.0, "high": 2.0}, "outside"),
        (1, {"low": 0.5, "high": 2}, "whole"),
        (1.0, {"low": 0.5, "hihg": 2}, "'hihg'"),
        ("a", {"low": 0.5, "high": 2}, "no number"),
        ("a", {"choices": ("a",)}, "two or more"),
        ("a", {"choices": ("b", "c")}, "not among"),
        ("1", {"choices": ("1", 1)}, "different"),
        ((1,), {"choices": ((1,), (2,))}, "text, numbers"),
    ],
)
def test_a_wrong_declaration_is_refused(default: Any, search: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        space_of(spec_with(default, **search))


def test_a_model_without_a_space() -> None:
    spec = Loaded("plain", "Plain", "", "me", "none", params=make_dataclass("P", [("x", int, 1)]))
    assert not has_space(spec)
    with pytest.raises(ConfigurationError, match="plain declares nothing to tune"):
        space_of(spec)
