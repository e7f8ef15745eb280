"""Slopes against derivatives in closed form, at bounds, of whole numbers, and of inputs that never vary."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from components.errors import InvalidRequest
from inference.explain.options import read_options
from inference.explain.packing import FloatArray
from inference.explain.sensitivity import SensitivityOptions, sensitivity, usual_moves
from inference.gateway.explain.factors import top_factors
from tests.support.explained import WEIGHTS, instance, problem


def by_name(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entry["feature"]: entry for entry in answer["attributions"]}


def test_slopes_of_a_linear_model_are_its_weights() -> None:
    asked = problem()
    answer = sensitivity(asked, instance())
    found = by_name(answer)
    assert set(found) == {"close", "rsi", "ratio", "flat", "orders"}
    for name, weight in zip(("close", "rsi", "ratio", "flat", "orders"), WEIGHTS, strict=True):
        assert found[name]["slope"] == pytest.approx(weight), name
    assert answer["prediction"] == pytest.approx(14.5)
    assert found["close"]["elasticity"] == pytest.approx(0.5 * 100.0 / 14.5)
    move = np.subtract(*np.quantile(asked.background[:, 1], (0.75, 0.25)))
    assert found["rsi"]["move"] == pytest.approx(move)
    assert found["rsi"]["attribution"] == pytest.approx(-2.0 * move)
    assert answer["attributions"][0]["feature"] == "rsi", "ranked by the change for a usual move"
    assert answer["held"] == ["window"]
    assert answer["additivity"] is None
    assert top_factors(answer)[0] == f"{move:.4g} percent more rsi would lower score by {2 * move:.4g} points."


def test_a_central_difference_has_no_error_of_second_order() -> None:
    answer = by_name(sensitivity(problem(lambda f, o, w: f[:, 0] ** 2), instance(), SensitivityOptions(step=1.0)))
    assert answer["close"]["slope"] == pytest.approx(200.0), "the derivative of x squared at 100, whatever the step"


@pytest.mark.parametrize(("rsi", "between"), [(0.0, 0.0), (100.0, 100.0)])
def test_at_a_bound_the_difference_is_one_sided(rsi: float, between: float) -> None:
    row = instance()
    row[1] = rsi
    found = by_name(sensitivity(problem(), row))["rsi"]
    assert found["slope"] == pytest.approx(-2.0)
    assert between in found["between"]
    assert 0.0 <= found["between"][0] < found["between"][1] <= 100.0


def test_whole_numbers_move_by_whole_numbers() -> None:
    found = by_name(sensitivity(problem(), instance(), SensitivityOptions(step=0.001)))["orders"]
    assert found["between"] == [35.0, 37.0]
    assert found["slope"] == pytest.approx(0.25)


def test_what_never_varies_has_a_slope_but_no_usual_move() -> None:
    found = by_name(sensitivity(problem(), instance()))["flat"]
    assert (found["move"], found["attribution"]) == (0.0, 0.0)
    assert found["slope"] == pytest.approx(3.0)


def test_elasticity_is_undefined_where_the_answer_is_zero() -> None:
    found = by_name(sensitivity(problem(lambda f, o, w: f[:, 0] - 100.0), instance()))["close"]
    assert found["elasticity"] is None
    assert found["slope"] == pytest.approx(1.0)


def test_the_change_against_a_column_is_explained() -> None:
    found = by_name(sensitivity(problem().asked("", "close"), instance()))
    assert found["close"]["slope"] == pytest.approx(0.5 - 1.0)


def test_the_model_is_asked_once() -> None:
    asked = problem()
    calls: list[int] = []
    predict = asked.predict
    asked.predict = lambda batch, outputs: (calls.append(len(batch["orders"])), predict(batch, outputs))[1]  # type: ignore[func-returns-value]
    assert sensitivity(asked, instance())["model_rows"] == 11
    assert calls == [11]


def test_usual_moves_fall_back_to_the_spread() -> None:
    rare: FloatArray = np.zeros(100)
    rare[:10] = 1.0
    table = np.column_stack([np.arange(100.0), rare, np.full(100, 0.1)])
    moves = usual_moves(table)
    assert moves[0] == pytest.approx(49.5)
    assert moves[1] == pytest.approx(1.349 * 0.3, rel=1e-3)
    assert moves[2] == 0.0


def test_the_step_is_bounded() -> None:
    assert read_options(SensitivityOptions, {"kind": "sensitivity", "step": 0.5}).step == 0.5
    for step in (0.0, -1.0, 3.0):
        with pytest.raises(ValueError, match="step"):
            SensitivityOptions(step=step)


def test_an_input_that_the_model_would_not_have_moved_stays_and_says_why() -> None:
    def picky(features: FloatArray, orders: Any, window: Any) -> FloatArray:
        if (features[:, 1] != 40.0).any():
            raise InvalidRequest("rsi is 40.3", "Give 40.", path="features.rsi[3]")
        return features[:, 0]

    row = instance()
    row[1] = 40.0
    found = by_name(sensitivity(problem(picky), row))
    assert found["rsi"]["note"] == "not moved: rsi is 40.3"
    assert found["rsi"]["slope"] is None
    assert found["close"]["slope"] == pytest.approx(1.0)
    assert found["close"]["note"] is None


def test_a_row_that_the_model_refuses_is_refused() -> None:
    def never(features: FloatArray, orders: Any, window: Any) -> FloatArray:
        raise InvalidRequest("rsi is wrong", path="features.rsi[0]")

    with pytest.raises(InvalidRequest, match="rsi is wrong"):
        sensitivity(problem(never), instance())
