"""How applications ask about a goal: document 0, "Goal Achievement Predictor" and endpoint 6, word for word."""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Final, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from components.errors import InvalidRequest, MissingValue
from components.models.portfolio.goal_achievement.present import present
from components.models.portfolio.goal_achievement.schemas import HISTORY_MONTHS, LARGEST_AMOUNT, LONGEST_MONTHS
from components.models.product import Kept, ProductSpec, Route, Served, Subject, Tensors
from components.wire import Day, Payload

Amount = Annotated[float, Field(ge=0, le=LARGEST_AMOUNT, description="₹")]
Percent = Annotated[float, Field(ge=-50, le=100, description="percent a year")]

MOST_GROWTH: Final = 100.0
"""Times that the last two years' returns may have multiplied or divided a portfolio by."""

EXAMPLE_GOAL: dict[str, JsonValue] = {
    "target_amount": 5000000,
    "current_amount": 1200000,
    "target_date": "2030-12-31",
    "monthly_sip": 25000,
    "expected_returns": 12.0,
}
EXAMPLE_HISTORY: dict[str, JsonValue] = {
    "monthly_contributions": [25000.0] * 24,
    "portfolio_returns": [1.9, -0.8, 2.4, 0.6, 3.1, -2.2, 1.2, 0.9, -1.5, 2.8, 1.4, 0.3] * 2,
    "consistency_score": 0.97,
}
EXAMPLE_MARKET: dict[str, JsonValue] = {
    "expected_market_return": 12.5,
    "expected_volatility": 16.0,
    "inflation_rate": 5.0,
}


class Goal(Payload):
    """What is wanted, what is there, and the plan."""

    target_amount: Annotated[float, Field(ge=1, le=LARGEST_AMOUNT, description="₹ of the target date")]
    current_amount: Amount
    target_date: Day
    monthly_sip: Annotated[Amount, Field(description="₹ a month, paid at its end; 0 for none")]
    expected_returns: Annotated[Percent, Field(description="Percent a year that the saver expects of the portfolio")]


class InvestmentHistory(Payload):
    """The last months, newest last; empty where there are none."""

    monthly_contributions: Annotated[list[Amount], Field(default_factory=list, max_length=HISTORY_MONTHS)]
    portfolio_returns: Annotated[
        list[Annotated[float, Field(gt=-100, le=1000, description="percent a month")]],
        Field(default_factory=list, max_length=HISTORY_MONTHS),
    ]
    consistency_score: Annotated[
        float | None, Field(ge=0, le=1, description="Of all planned contributions, the share that was paid in full")
    ] = None


class MarketAssumptions(Payload):
    """Percent a year; what is left out is the model's own estimate."""

    expected_market_return: Percent | None = None
    expected_volatility: Annotated[float | None, Field(ge=0, le=200)] = None
    inflation_rate: Annotated[float | None, Field(ge=-20, le=100)] = None


class GoalRequest(Payload):
    """A goal, kept under an id or sent along."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "goal_id": "goal-2030-home",
                    "goal": EXAMPLE_GOAL,
                    "investment_history": EXAMPLE_HISTORY,
                    "market_assumptions": EXAMPLE_MARKET,
                }
            ]
        }
    )

    goal_id: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    goal: Goal | None = None
    investment_history: InvestmentHistory | None = None
    market_assumptions: MarketAssumptions | None = None


class KeptGoal(BaseModel):
    """What is kept of a goal."""

    goal: Goal
    investment_history: InvestmentHistory | None = None
    market_assumptions: MarketAssumptions | None = None


class Projections(BaseModel):
    """Amounts on the target date, ₹."""

    expected_final_amount: float
    pessimistic_scenario: Annotated[float, Field(description="One outcome in ten is lower")]
    optimistic_scenario: Annotated[float, Field(description="One outcome in ten is higher")]


class Adjustment(BaseModel):
    """Either is enough."""

    increase_sip_by: Annotated[float, Field(description="₹ a month")]
    or_increase_returns_by: Annotated[
        float | None, Field(description="Percentage points a year; absent where no return in reach is enough")
    ] = None


class RequiredAdjustments(BaseModel):
    """What lifts the probability."""

    to_reach_95_percent_probability: Adjustment


class MilestonePrediction(BaseModel):
    """The end of a year on the way."""

    date: date
    projected_amount: float
    probability_of_reaching: Annotated[
        float, Field(description="Of being on the path that just meets the target by then")
    ]


class TodaysMoney(BaseModel):
    """The same goal when prices go on rising: amounts less inflation."""

    expected_final_amount: float
    achievement_probability: Annotated[float, Field(description="Of the target amount in the money of today")]


class Assumed(BaseModel):
    """What the probability rests on, after weighing what was said with what is known; percent a year, and a share."""

    expected_return: float
    volatility: float
    inflation_rate: float
    contribution_ratio: Annotated[float, Field(description="Share of the planned payments that is expected to be paid")]


EXAMPLE_RESPONSE: dict[str, JsonValue] = {
    "goal_id": "goal-2030-home",
    "achievement_probability": 0.2002,
    "standard_error": 0.0054,
    "confidence_level": "medium",
    "confidence": 0.819,
    "projections": {
        "expected_final_amount": 4197360,
        "pessimistic_scenario": 3003683,
        "optimistic_scenario": 5560518,
    },
    "required_adjustments": {
        "to_reach_95_percent_probability": {"increase_sip_by": 42400, "or_increase_returns_by": 18.5}
    },
    "milestone_predictions": [
        {"date": "2026-12-31", "projected_amount": 1674402, "probability_of_reaching": 0.2576},
        {"date": "2028-12-31", "projected_amount": 2764472, "probability_of_reaching": 0.2161},
    ],
    "recommendations": [
        "You're behind: the chance to achieve your goal is 20%",
        "Consider increasing SIP by ₹42,400/month for 95% probability",
        "An even chance would need market returns of 17.9% a year",
    ],
    "in_todays_money": {"expected_final_amount": 3275397, "achievement_probability": 0.0291},
    "assumed": {"expected_return": 11.99, "volatility": 7.4, "inflation_rate": 5.0, "contribution_ratio": 0.9685},
    "model_version": "1",
    "generated_at": "2025-11-13T10:30:00Z",
}
"""What the embedded version answered to the request's example on that day."""


class GoalResponse(BaseModel):
    """The document's answer, with what it rests on."""

    model_config = ConfigDict(protected_namespaces=(), json_schema_extra={"examples": [EXAMPLE_RESPONSE]})

    goal_id: str | None = None
    achievement_probability: Annotated[float, Field(ge=0, le=1)]
    standard_error: Annotated[float, Field(ge=0, description="Monte Carlo error of the probability")]
    confidence_level: Literal["high", "medium", "low"]
    confidence: Annotated[float, Field(ge=0, le=1, description="1 less the probability's 90 % half-width")]
    projections: Projections
    required_adjustments: RequiredAdjustments
    milestone_predictions: list[MilestonePrediction]
    recommendations: list[str]
    in_todays_money: TodaysMoney
    assumed: Assumed
    model_version: str
    generated_at: str


def to_inputs(request: GoalRequest, now: datetime) -> Tensors:
    """Return one row; what is not known is 0 and marked as not given.

    Raises
    ------
    InvalidRequest
        If there is no goal, its date has passed or lies too far ahead, or the returns are none of a portfolio.
    """
    goal = request.goal
    if goal is None:
        raise MissingValue(
            "there is no goal to predict.", "Send `goal`, or the `goal_id` of one that is kept.", path="goal"
        )
    history = request.investment_history or InvestmentHistory(monthly_contributions=[], portfolio_returns=[])
    market = request.market_assumptions or MarketAssumptions()
    said = [market.expected_market_return, market.expected_volatility, market.inflation_rate]
    months = months_between(now.date(), goal.target_date)
    paid, earned = history.monthly_contributions, history.portfolio_returns
    check_growth(earned)
    return {
        "goal": _row(
            goal.target_amount,
            goal.current_amount,
            months,
            goal.target_date.month,
            goal.monthly_sip,
            goal.expected_returns,
        ),
        "contributions": _recent(paid),
        "portfolio_returns": _recent(earned),
        "history": _row(len(paid), len(earned), history.consistency_score or 0.0),
        "assumptions": _row(*(value or 0.0 for value in said)),
        "given": _row(*(float(value is not None) for value in (*said, history.consistency_score))),
    }


def check_growth(returns: list[float]) -> None:
    """Refuse monthly returns, percent, that no portfolio can have had.

    Raises
    ------
    InvalidRequest
        If they multiply or divide the portfolio by more than :data:`MOST_GROWTH`: they are in another unit, or count
        contributions as returns, and would be carried on into the future.
    """
    growth = math.prod(1 + value / 100 for value in returns)
    if not 1 / MOST_GROWTH <= growth <= MOST_GROWTH:
        raise InvalidRequest(
            f"the {len(returns)} monthly returns turn ₹100 into ₹{100 * growth:.3g}.",
            "Give what the portfolio earned each month in percent, without contributions: 1.9 for 1.9 %.",
            path="investment_history.portfolio_returns",
        )


def months_between(today: date, target: date) -> int:
    """Return the whole months until a date.

    Raises
    ------
    InvalidRequest
        If there is none, or there are more than the model looks ahead.
    """
    months = (target.year - today.year) * 12 + target.month - today.month - (target.day < today.day)
    if months < 1:
        gone = "lies in the past" if target < today else "is less than a month away"
        raise InvalidRequest(
            f"{target.isoformat()} {gone}.", "Give a target date at least a month ahead.", path="goal.target_date"
        )
    if months > LONGEST_MONTHS:
        raise InvalidRequest(
            f"{target.isoformat()} is {months} months away, more than the {LONGEST_MONTHS} ({LONGEST_MONTHS // 12} "
            "years) that are predicted.",
            "Give a nearer target date, for example that of a milestone.",
            path="goal.target_date",
        )
    return months


def to_response(request: GoalRequest, served: Served) -> GoalResponse:
    """Return the document's shape."""
    assert request.goal is not None, "to_inputs refuses a request without a goal"
    body = present(served.outputs, served.columns, milestone_dates(served, request.goal.target_date))
    return GoalResponse(
        goal_id=request.goal_id, model_version=served.model_version, generated_at=served.generated_at, **body
    )


def milestone_dates(served: Served, target: date) -> list[date]:
    """Return the dates of the milestones: each the end of the year it falls into."""
    count = round(float(served.outputs["milestone_count"][0, 0]))
    until = served.outputs["fan"][0, -1, 0]
    back = [round(float(until - row[0])) for row in served.outputs["milestones"][0, :count]]
    years = [(target.year * 12 + target.month - 1 - months) // 12 for months in back]
    return [date(year, 12, 31) for year in years]


def _row(*values: float) -> npt.NDArray[np.float64]:
    return np.array([values], dtype=np.float64)


def _recent(values: list[float]) -> npt.NDArray[np.float64]:
    return _row(*[0.0] * (HISTORY_MONTHS - len(values)), *values)


PRODUCT = ProductSpec(
    routes=(Route("POST", "/api/ml/goals/predict"),),
    batch_type="goal_achievement",
    request=GoalRequest,
    response=GoalResponse,
    to_inputs=to_inputs,
    to_response=to_response,
    subject=lambda request: Subject("goal", request.goal_id or "unsaved"),
    value=lambda response: response.achievement_probability,
    confidence=lambda response: response.confidence,
    kept=Kept("goal", "goal_id", KeptGoal),
)
