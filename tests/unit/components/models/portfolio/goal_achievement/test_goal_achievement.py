"""The predictor as a whole: every input matters, its answers are consistent, and bad input is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.errors import InvalidRequest
from components.models.portfolio.goal_achievement.milestones import milestone_months
from components.models.portfolio.goal_achievement.model import GoalAchievement
from components.models.portfolio.goal_achievement.words import confidence_level, recommend, whole_step

Batch = dict[str, np.ndarray]


def changed(question: Batch, tensor: str, place: int, value: float) -> Batch:
    copy = {name: values.copy() for name, values in question.items()}
    copy[tensor][0, place] = value
    return copy


CHANGES = [
    ("goal", 0, 2_200_000.0),
    ("goal", 1, 600_000.0),
    ("goal", 2, 60.0),
    ("goal", 3, 2.0),
    ("goal", 4, 25_000.0),
    ("goal", 5, 20.0),
    ("history", 0, 1.0),
    ("history", 1, 3.0),
    ("assumptions", 0, 20.0),
    ("assumptions", 1, 30.0),
    ("given", 0, 0.0),
    ("given", 1, 0.0),
    ("history", 2, 0.2),
    ("given", 3, 0.0),
    ("assumptions", 2, 9.0),
    ("given", 2, 0.0),
]


@pytest.mark.parametrize(("tensor", "place", "value"), CHANGES)
def test_every_field_moves_the_expected_amount(
    model: GoalAchievement, question: Batch, tensor: str, place: int, value: float
) -> None:
    before, after = (model.predict(q) for q in (question, changed(question, tensor, place, value)))
    moved = [
        name
        for name in ("achievement_probability", "projections", "assumed", "adjustments", "milestones")
        if not np.array_equal(before[name], after[name])
    ]
    assert moved, f"{tensor}[{place}] has no influence"


def test_past_months_move_the_answer(model: GoalAchievement, question: Batch) -> None:
    plain = model.predict(question)["assumed"]
    lapsed = {**question, "contributions": question["contributions"] * (np.arange(24) < 18)}
    assert model.predict(lapsed)["assumed"][0, 3] < plain[0, 3]
    richer = {**question, "portfolio_returns": question["portfolio_returns"] + 2.0}
    assert model.predict(richer)["assumed"][0, 0] > plain[0, 0]


def test_inflation_eats_the_real_amount(model: GoalAchievement, question: Batch) -> None:
    plain, dearer = model.predict(question), model.predict(changed(question, "assumptions", 2, 9.0))
    assert dearer["real_probability"] < plain["real_probability"] < plain["achievement_probability"]
    assert dearer["projections"][0, 3] < plain["projections"][0, 3] < plain["projections"][0, 0]


def test_asking_again_with_the_proposed_payment_gives_95_percent(model: GoalAchievement, question: Batch) -> None:
    extra = model.predict(question)["adjustments"][0, 0]
    assert extra > 0
    again = model.predict(changed(question, "goal", 4, question["goal"][0, 4] + extra))
    assert again["achievement_probability"][0, 0] == pytest.approx(0.95, abs=1 / 2048)
    assert again["adjustments"][0, 0] == pytest.approx(0.0, abs=1.0)
    assert again["adjustments"][0, 1] == 0.0


def test_the_chance_rises_with_the_payment(model: GoalAchievement, question: Batch) -> None:
    payments = (0.0, 5e3, 1e4, 2e4, 4e4, 8e4)
    got = [model.predict(changed(question, "goal", 4, p))["achievement_probability"][0, 0] for p in payments]
    assert got == sorted(got)
    assert got[0] < got[-1]


def test_a_reached_target_is_nearly_certain_and_needs_nothing(model: GoalAchievement, question: Batch) -> None:
    answer = model.predict(changed(question, "goal", 1, 9_000_000.0))
    assert answer["achievement_probability"][0, 0] > 0.99
    assert answer["adjustments"][0, 0] == answer["adjustments"][0, 1] == 0.0
    assert answer["recommendations"][0, 0] == "You're on track to achieve your goal"


def test_no_payments_and_no_history_is_a_valid_question(model: GoalAchievement, question: Batch) -> None:
    bare = {name: np.zeros_like(values) for name, values in question.items()}
    bare["goal"][0] = 1e6, 0.0, 24.0, 6.0, 0.0, 10.0
    answer = model.predict(bare)
    assert answer["achievement_probability"][0, 0] == 0.0
    assert answer["adjustments"][0, 0] > 1e6 / 48
    assert answer["adjustments"][0, 2] == 0.0
    for values in answer.values():
        assert values.dtype == object or np.isfinite(values).all()


def test_scenarios_and_the_fan_are_ordered_and_meet(model: GoalAchievement, question: Batch) -> None:
    answer = model.predict(question)
    expected, low, high, _ = answer["projections"][0]
    fan = answer["fan"][0]
    assert low < expected < high
    assert (fan[1:, 1] < fan[1:, 2]).all()
    assert (fan[1:, 2] < fan[1:, 3]).all()
    assert fan[-1, 1] == low
    assert fan[-1, 3] == high
    assert fan[0, 1:].tolist() == [500_000.0] * 4
    assert fan[-1, 4] == pytest.approx(500_000 + 48 * 20_000)


def test_milestones_are_the_documents() -> None:
    assert milestone_months(12, 61) == [13, 37]
    assert milestone_months(12, 48) == [24]
    assert milestone_months(6, 30) == [12, 24]
    assert milestone_months(3, 2) == []
    long = milestone_months(12, 480)
    assert len(long) <= 10
    assert long == sorted(long)
    assert {480 - m for m in long} <= set(range(0, 480, 12))


def test_milestones_are_filled_up_to_their_count(model: GoalAchievement, question: Batch) -> None:
    answer = model.predict(question)
    count = int(answer["milestone_count"][0, 0])
    assert count == 1
    assert answer["milestones"][0, 0, 0] == 24
    assert not answer["milestones"][0, count:].any()


def test_words_follow_the_numbers() -> None:
    numbers = {
        "probability": 0.78,
        "increase_sip_by": 4_932.0,
        "increase_returns_by": 2.5,
        "returns_suffice": 1.0,
        "even_chance_return": 10.0,
        "even_chance_known": 1.0,
        "expected_return": 12.0,
        "monthly_sip": 25_000.0,
        "contribution_ratio": 0.97,
        "typical_payment": 25_000.0,
    }
    assert recommend(numbers) == [
        "You're on track to achieve your goal",
        "Consider increasing SIP by ₹5000/month for 95% probability",
        "If market returns drop below 10%, adjust SIP accordingly",
    ]
    behind = recommend({**numbers, "probability": 0.3, "even_chance_return": 15.04, "contribution_ratio": 0.5})
    assert behind[0].startswith("You're behind")
    assert "An even chance would need market returns of 15% a year" in behind
    assert "₹12,500/month" in behind[-1]
    unpaid = recommend({**numbers, "probability": 0.0, "increase_sip_by": 5_829_000.0, "contribution_ratio": 0.13})
    assert not any("increasing SIP" in text for text in unpaid)
    assert unpaid[-1] == "Your record suggests that about ₹3250/month will be paid; paying every SIP raises the chance"
    assert [confidence_level(c) for c in (0.95, 0.85, 0.2)] == ["high", "medium", "low"]
    assert whole_step(0.0) == 0.0


def test_a_batch_equals_its_rows_and_a_saved_model_itself(
    model: GoalAchievement, question: Batch, tmp_path: Path
) -> None:
    other = changed(changed(question, "goal", 2, 25.0), "given", 1, 0.0)
    batch = {name: np.concatenate([question[name], other[name], question[name]]) for name in question}
    whole = model.predict(batch)
    model.save(tmp_path)
    loaded = GoalAchievement.load(tmp_path).predict(other)
    for name, values in whole.items():
        np.testing.assert_array_equal(values[0], values[2], err_msg=name)
        np.testing.assert_array_equal(values[1:2], loaded[name], err_msg=name)
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".onnx"}


@pytest.mark.parametrize(
    ("tensor", "place", "value", "told"),
    [
        ("goal", 0, -5.0, "target_amount"),
        ("goal", 1, -1.0, "current_amount"),
        ("goal", 2, 720.0, "months_to_target"),
        ("goal", 2, 0.0, "months_to_target"),
        ("goal", 4, -1.0, "monthly_sip"),
        ("goal", 4, np.nan, "monthly_sip"),
        ("history", 2, 85.0, "consistency_score"),
        ("portfolio_returns", 3, np.inf, "portfolio_returns"),
    ],
)
def test_the_schema_refuses(
    model: GoalAchievement, question: Batch, tensor: str, place: int, value: float, told: str
) -> None:
    with pytest.raises(InvalidRequest, match=told):
        model.input_schema.validate(changed(question, tensor, place, value))


@pytest.mark.parametrize(("tensor", "value"), [("contributions", -10.0), ("portfolio_returns", -150.0)])
def test_negative_payments_and_impossible_losses_are_refused(
    model: GoalAchievement, question: Batch, tensor: str, value: float
) -> None:
    with pytest.raises(InvalidRequest, match=f"{tensor}.0..4.: value {value:g}"):
        model.predict(changed(question, tensor, 4, value))
