"""Counterfactuals on functions whose boundary is known: valid, minimal, within what may change, several."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import InvalidRequest
from inference.explain.counterfactual import CounterfactualOptions, counterfactual
from inference.explain.options import read_options
from inference.explain.packing import FloatArray
from inference.explain.problem import Problem
from tests.support.explained import INPUTS, WEIGHTS, instance, problem


def ask(asked: Problem, row: FloatArray | None = None, **options: object) -> dict:
    given = read_options(CounterfactualOptions, options)
    return counterfactual(asked, instance() if row is None else row, given)


def packed(asked: Problem, answer: dict) -> FloatArray:
    batch = {t.name: np.array([answer["instance"][t.name]], dtype=t.dtype) for t in INPUTS.tensors}
    return asked.packing.pack(batch)


def test_it_finds_the_smallest_change_to_a_linear_boundary() -> None:
    asked = problem()
    answer = ask(asked, at_least=40.0)
    best = answer["counterfactuals"][0]
    extent = np.ptp(asked.background[:, :5], axis=0)
    with np.errstate(divide="ignore"):
        needed = (40.0 - 14.5) / (np.abs(WEIGHTS) * extent)
    assert best["distance"] == pytest.approx(needed[1], rel=1e-3), "rsi crosses with the smallest share of its range"
    assert [c["feature"] for c in best["changes"]] == ["rsi"]
    assert best["changes"][0]["to"] == pytest.approx(30.0 - 25.5 / 2.0, abs=0.01)
    assert 40.0 <= best["prediction"] < 40.01


def test_every_answer_is_what_the_model_says_of_the_very_row_that_is_told() -> None:
    asked = problem()
    answer = ask(asked, at_least=40.0)
    assert len(answer["counterfactuals"]) >= 2
    for found in answer["counterfactuals"]:
        assert found["valid"]
        assert float(asked(packed(asked, found))[0]) == found["prediction"]
        assert found["prediction"] >= 40.0
    changed = [frozenset(c["feature"] for c in found["changes"]) for found in answer["counterfactuals"]]
    assert len(set(changed)) == len(changed)
    assert not any(a < b for a in changed for b in changed), "none only adds to a smaller one"
    distances = [found["distance"] for found in answer["counterfactuals"]]
    assert distances == sorted(distances)


def test_downwards_between_and_to_the_other_class() -> None:
    asked = problem()
    assert ask(asked, at_most=-20.0)["counterfactuals"][0]["prediction"] == pytest.approx(-20.0, abs=0.01)
    between = ask(asked, at_least=17.0, at_most=18.0)["counterfactuals"][0]
    assert 17.0 <= between["prediction"] <= 18.0
    median = float(np.median(asked(asked.background)))
    assert median < 14.5
    other = ask(asked)
    assert other["wanted"].startswith("score below")
    assert other["counterfactuals"][0]["prediction"] <= median


def test_a_forecast_turns_against_its_own_close_which_is_held() -> None:
    asked = problem(lambda f, o, w: f[:, 0] + 0.1 * (50.0 - f[:, 1]))
    asked.task = "forecast"
    asked.packing = problem().packing
    object.__setattr__(asked.packing.groups[0], "unit", "points")
    answer = ask(asked)
    assert "close" in answer["held"]
    assert answer["wanted"] == "score not up (at most the row's own close)"
    (change,) = answer["counterfactuals"][0]["changes"]
    assert change["feature"] == "rsi"
    assert change["to"] == pytest.approx(50.0, abs=0.01)


def test_what_is_immutable_stays_and_ranges_are_kept() -> None:
    asked = problem()
    answer = ask(asked, at_least=40.0, immutable=["rsi"])
    assert "rsi" in answer["held"]
    for found in answer["counterfactuals"]:
        row = packed(asked, found)[0]
        assert row[1] == 30.0
        assert found["valid"]
        assert np.all(row[:5] <= np.maximum(asked.background.max(axis=0), instance())[:5])
        assert np.array_equal(row[5:], instance()[5:])
    assert len(answer["counterfactuals"][0]["changes"]) >= 2, "without rsi no single feature reaches 40"
    narrow = ask(asked, at_least=20.0, ranges={"rsi": [29.0, 31.0]}, immutable=["orders", "ratio"])
    moved = [c["to"] for found in narrow["counterfactuals"] for c in found["changes"] if c["feature"] == "rsi"]
    assert moved
    assert all(29.0 <= to <= 31.0 for to in moved)


def test_whole_numbers_stay_whole() -> None:
    answer = ask(problem(), at_least=14.9, immutable=["close", "rsi", "ratio"])
    (found,) = answer["counterfactuals"]
    assert found["changes"] == [
        {"feature": "orders", "unit": "", "from": 36.0, "to": 38.0, "change": 2.0, "share_of_range": 2.0 / 39.0}
    ]
    assert found["prediction"] == 15.0


def test_an_interaction_needs_both_features() -> None:
    def both(f: np.ndarray, o: np.ndarray, w: np.ndarray) -> np.ndarray:
        return ((f[:, 1] > 60.0) & (f[:, 0] > 120.0)).astype(float)

    answer = ask(problem(both), at_least=1.0)
    best = answer["counterfactuals"][0]
    assert {c["feature"] for c in best["changes"]} == {"close", "rsi"}
    ends = {c["feature"]: c["to"] for c in best["changes"]}
    assert ends["close"] == pytest.approx(120.0, abs=0.1)
    assert ends["rsi"] == pytest.approx(60.0, abs=0.1)


def test_what_cannot_be_reached_is_said() -> None:
    answer = ask(problem(), at_least=1e6)
    assert not answer["found"]
    assert answer["counterfactuals"] == []
    assert "No change of up to 4 features" in answer["why"]
    assert not ask(problem(), at_least=40.0, immutable=["close", "rsi", "ratio", "orders"])["found"]
    few = ask(problem(), at_least=60.0, max_features=1, immutable=["rsi"])
    assert not few["found"]


def test_a_row_outside_the_background_can_be_asked_about() -> None:
    row = instance()
    row[0] = 1000.0
    answer = ask(problem(), row, at_most=300.0, immutable=["rsi"])
    (change,) = answer["counterfactuals"][0]["changes"]
    assert change["feature"] == "close"
    assert change["to"] == pytest.approx(1000.0 - (464.5 - 300.0) / 0.5, abs=0.1)


def test_it_is_repeatable_and_counts_what_it_cost() -> None:
    first, second = (ask(problem(), at_least=40.0) for _ in range(2))
    assert first == second
    assert 0 < first["model_rows"] < 20_000


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"at_least": 14.0}, "parameters.at_least"),
        ({"at_most": 15.0}, "parameters.at_most"),
        ({"at_least": 3.0, "at_most": 2.0}, "parameters"),
        ({"at_least": 40.0, "immutable": ["volume"]}, "parameters.immutable"),
        ({"at_least": 40.0, "ranges": {"rsi": [200.0, 300.0]}}, "parameters.ranges.rsi"),
        ({"at_least": float("inf")}, "parameters.at_least"),
        ({"count": 11}, "parameters.count"),
        ({"atleast": 3.0}, "parameters.atleast"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_path(options: dict, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        ask(problem(), **options)
    assert caught.value.path == path
