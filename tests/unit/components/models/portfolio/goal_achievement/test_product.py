"""The product's shapes: the document's request, what is left out, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from components.errors import InvalidRequest
from components.finance.rupees import rupees
from components.models.portfolio.goal_achievement.model import GoalAchievement
from components.models.portfolio.goal_achievement.product import (
    EXAMPLE_GOAL,
    EXAMPLE_HISTORY,
    EXAMPLE_MARKET,
    PRODUCT,
    GoalRequest,
    GoalResponse,
    months_between,
    to_inputs,
    to_response,
)
from components.models.product import Served

NOW = datetime(2025, 11, 13, 10, 30, tzinfo=UTC)


def ask(model: GoalAchievement, **body: Any) -> GoalResponse:
    request = GoalRequest.model_validate(body)
    inputs = to_inputs(request, NOW)
    model.input_schema.validate(inputs)
    columns = {tensor.name: tensor.column_names for tensor in model.output_schema.tensors}
    return to_response(request, Served(model.predict(inputs), {}, columns, "3", NOW.isoformat()))


def test_the_documents_request_is_answered_in_its_shape(model: GoalAchievement) -> None:
    answer = ask(
        model, goal_id="g-1", goal=EXAMPLE_GOAL, investment_history=EXAMPLE_HISTORY, market_assumptions=EXAMPLE_MARKET
    )
    told = answer.model_dump()
    assert set(told) >= {
        "achievement_probability",
        "confidence_level",
        "projections",
        "required_adjustments",
        "milestone_predictions",
        "recommendations",
    }
    assert [m.date for m in answer.milestone_predictions] == [date(2026, 12, 31), date(2028, 12, 31)]
    extra = answer.required_adjustments.to_reach_95_percent_probability.increase_sip_by
    assert extra > 0
    assert any("Consider increasing SIP by ₹" in text for text in answer.recommendations)
    raised = ask(
        model,
        goal={**EXAMPLE_GOAL, "monthly_sip": 25_000 + extra},
        investment_history=EXAMPLE_HISTORY,
        market_assumptions=EXAMPLE_MARKET,
    )
    assert raised.achievement_probability >= 0.95
    assert raised.recommendations[0] == "You're on track to achieve your goal"


@pytest.mark.parametrize(
    ("paid", "plan", "told"),
    [(10_000, 25_000, True), (60_000, 25_000, True), (24_000, 25_000, False), (20_000, 0, True)],
)
def test_payments_unlike_the_plan_are_told(model: GoalAchievement, paid: float, plan: float, told: bool) -> None:
    """The chance is that of the plan; who has been paying something else is told so, and how much."""
    history = {"monthly_contributions": [0.0, *[float(paid)] * 23]}
    answer = ask(model, goal={**EXAMPLE_GOAL, "monthly_sip": plan}, investment_history=history)
    text = f"You have been paying about {rupees(paid)}/month; the chance is that of {rupees(plan)}/month"
    assert (text in answer.recommendations) is told
    assert any(t.startswith("You have been paying") for t in answer.recommendations) is told


def test_no_record_says_nothing_of_payments(model: GoalAchievement) -> None:
    assert not any("You have been paying" in text for text in ask(model, goal=EXAMPLE_GOAL).recommendations)


def test_a_goal_alone_is_enough(model: GoalAchievement) -> None:
    answer = ask(model, goal=EXAMPLE_GOAL)
    assert 0 < answer.achievement_probability < 1
    assert answer.assumed.inflation_rate > 0


def test_a_short_history_stands_at_the_end() -> None:
    request = GoalRequest.model_validate(
        {"goal": EXAMPLE_GOAL, "investment_history": {"monthly_contributions": [1.0, 2.0], "portfolio_returns": [3.0]}}
    )
    inputs = to_inputs(request, NOW)
    assert inputs["contributions"][0, -3:].tolist() == [0.0, 1.0, 2.0]
    assert inputs["history"][0].tolist() == [2.0, 1.0, 0.0]
    assert inputs["given"].tolist() == [[0.0, 0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (date(2024, 12, 31), "lies in the past"),
        (date(2025, 12, 1), "less than a month away"),
        (date(2085, 11, 30), "720 months away, more than the 480"),
    ],
)
def test_dates_that_cannot_be_predicted_are_refused(target: date, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told) as raised:
        months_between(NOW.date(), target)
    assert raised.value.path == "goal.target_date"


def test_whole_months_are_counted() -> None:
    assert months_between(date(2025, 11, 13), date(2025, 12, 13)) == 1
    assert months_between(date(2025, 11, 13), date(2030, 12, 31)) == 61
    assert months_between(date(2025, 11, 30), date(2026, 12, 29)) == 12


@pytest.mark.parametrize(
    "change",
    [
        {"target_amount": -1},
        {"monthly_sip": -1},
        {"current_amount": float("nan")},
        {"target_date": "31-12-2030"},
        {"monthly_sip": "25000"},
        {"unknown": 1},
    ],
)
def test_bad_goals_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GoalRequest.model_validate({"goal": {**EXAMPLE_GOAL, **change}})


@pytest.mark.parametrize("month", [250.0, -60.0])
def test_returns_that_no_portfolio_had_are_refused(month: float) -> None:
    body = {"goal": EXAMPLE_GOAL, "investment_history": {"portfolio_returns": [month] * 24}}
    with pytest.raises(InvalidRequest, match="24 monthly returns turn ₹100 into") as raised:
        to_inputs(GoalRequest.model_validate(body), NOW)
    assert raised.value.path == "investment_history.portfolio_returns"


@pytest.mark.parametrize("returns", [[-60.0, 40.0, 120.0], [8.0] * 24, [-8.0] * 24])
def test_a_crash_and_a_boom_are_taken(returns: list[float]) -> None:
    body = {"goal": EXAMPLE_GOAL, "investment_history": {"portfolio_returns": returns}}
    inputs = to_inputs(GoalRequest.model_validate(body), NOW)
    assert inputs["portfolio_returns"][0, -len(returns) :].tolist() == returns


def test_a_request_without_a_goal_says_what_to_send() -> None:
    with pytest.raises(InvalidRequest, match="goal_id"):
        to_inputs(GoalRequest.model_validate({"goal_id": "g-1"}), NOW)


def test_only_the_goal_must_be_kept() -> None:
    assert PRODUCT.kept is not None
    required = [name for name, field in PRODUCT.kept.shape.model_fields.items() if field.is_required()]
    assert required == ["goal"]
