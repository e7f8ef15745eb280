"""The model's own parts: named, checked to add up, and refused where they belong to another number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.errors import ConfigurationError, InvalidRequest
from inference.explain.decomposition import PartsDoNotAddUp, decomposition
from inference.explain.problem import Problem
from inference.gateway.explain.factors import top_factors
from tests.support.basket import basket_problem


def explained(problem: Problem, holdings: list[str], weights: list[float]) -> dict[str, Any]:
    asked = {"holdings": holdings, "weights": weights, "terms": [2.0, 63.0]}
    batch = problem.packing.read_instance(asked, "instances[0]")
    return decomposition(problem.at(problem.packing.context(batch)), problem.packing.pack(batch)[0])


def test_parts_are_those_of_the_closed_form() -> None:
    """Independent holdings: each adds its squared size over the basket's volatility."""
    answer = explained(basket_problem(), ["A", "DDDD"], [0.4, 0.6])
    sizes = np.array([0.4 * 0.11, 0.6 * 0.14])
    volatility = float(np.sqrt((sizes**2).sum()))
    expected = 2.0 * np.sqrt(63.0 / 252.0) * sizes**2 / volatility
    assert [a["feature"] for a in answer["attributions"]] == ["DDDD", "A"], "the largest first"
    assert [a["attribution"] for a in answer["attributions"]] == pytest.approx(expected[::-1].tolist())
    assert [a["given"] for a in answer["attributions"]] == [{"weights": 0.6}, {"weights": 0.4}]
    assert answer["prediction"] == pytest.approx(expected.sum())
    assert (answer["base_value"], answer["unit"], answer["output"]) == (0.0, "decimal", "risk")
    assert answer["additivity"]["holds"]
    assert abs(answer["additivity"]["gap"]) < 1e-12
    assert answer["model_rows"] == 1
    assert answer["why"].startswith("risk is ")
    assert "the sum of DDDD +" in answer["why"]
    assert top_factors(answer)[0].startswith("DDDD raises risk by 0.0")


def test_padding_is_left_out_and_the_same_name_twice_stays_two() -> None:
    answer = explained(basket_problem(), ["A", "A", "", ""], [0.4, 0.6, 0.0, 0.0])
    assert [a["feature"] for a in answer["attributions"]] == ["A (2)", "A"]
    assert answer["prediction"] == pytest.approx(sum(a["attribution"] for a in answer["attributions"]))


def test_parts_that_do_not_add_up_are_an_error_that_names_both() -> None:
    with pytest.raises(PartsDoNotAddUp, match=r"'parts' add up to 0\.\d+, its risk is 0\.\d+") as caught:
        explained(basket_problem(), ["A", "LIAR"], [0.4, 0.6])
    assert caught.value.status == 500


def test_everything_is_asked_of_one_version_at_once() -> None:
    problem, asked = basket_problem(), []
    predict = problem.predict
    problem.predict = lambda batch, outputs: (asked.append(outputs), predict(batch, outputs))[1]  # type: ignore[func-returns-value]
    explained(problem, ["A"], [1.0])
    assert asked == [("risk", "parts")]


def test_another_number_has_other_parts() -> None:
    for problem in (basket_problem().asked("parts", ""), basket_problem().asked("", "leverage")):
        with pytest.raises(InvalidRequest, match=r"'parts' are parts of risk, not of (parts|risk - leverage)"):
            explained(problem, ["A"], [1.0])
    with pytest.raises(InvalidRequest, match="tells no parts"):
        explained(basket_problem(contributions=""), ["A"], [1.0])


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"contributions": "nope"}, "contributions are 'nope', the artifact's outputs risk, parts, word"),
        ({"labels": "nope"}, "labels are 'nope', the artifact's texts holdings, word"),
        ({"labels": ""}, "labels are ''"),
        ({"labels": "word"}, "its labels 'word'"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused_at_the_start(changed: dict[str, str], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        basket_problem(**changed)
