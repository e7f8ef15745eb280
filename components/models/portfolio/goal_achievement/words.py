"""What the numbers say in the document's words."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from components.finance.goals import FloatArray
from components.finance.rupees import rupees
from components.models.portfolio.goal_achievement.schemas import MOST_WORDS
from components.models.portfolio.goal_achievement.solver import WANTED

HIGH, MEDIUM = 0.9, 0.8
"""Confidence is 1 less the half-width of the probability's 90 % interval: high is known to 10 points, medium to 20."""
ON_TRACK, EVEN = 0.75, 0.5
USUAL = 0.2
"""Share of the plan by which past payments differ from it at least where that is told: raises and bonuses are less."""


def confidence_level(confidence: float) -> str:
    """Return the document's word for a confidence, a share."""
    return "high" if confidence >= HIGH else "medium" if confidence >= MEDIUM else "low"


def whole_step(amount: float) -> float:
    """Round a monthly amount up to what people pay: to whole hundreds from a thousand on, to tens below.

    Examples
    --------
    >>> whole_step(4932.1), whole_step(87.2), whole_step(0.0)
    (5000.0, 90.0, 0.0)
    """
    step = 100 if amount >= 1000 else 10
    return float(step * math.ceil(amount / step - 1e-9))


def standing(probability: float) -> str:
    """Return whether the plan is on track."""
    if probability >= ON_TRACK:
        return "You're on track to achieve your goal"
    if probability >= EVEN:
        return f"You're close: the chance to achieve your goal is {probability:.0%}"
    return f"You're behind: the chance to achieve your goal is {probability:.0%}"


def recommend(numbers: Mapping[str, float]) -> list[str]:
    """Return what to tell the saver, most important first.

    Parameters
    ----------
    numbers : mapping of str to float
        ``probability``, ``increase_sip_by``, ``increase_returns_by``, ``returns_suffice``, ``even_chance_return``,
        ``even_chance_known``, ``expected_return``, ``monthly_sip``, ``contribution_ratio``, ``typical_payment``.
    """
    told = [standing(numbers["probability"])]
    extra = whole_step(numbers["increase_sip_by"])
    # Whoever pays less than half of a plan is not helped by a larger one: the amount makes up for what is not paid.
    if extra > 0 and numbers["contribution_ratio"] >= EVEN:
        told.append(f"Consider increasing SIP by {rupees(extra)}/month for {WANTED:.0%} probability")
    if numbers["even_chance_known"]:
        rate = _percent(numbers["even_chance_return"])
        if numbers["even_chance_return"] < numbers["expected_return"]:
            told.append(f"If market returns drop below {rate}, adjust SIP accordingly")
        else:
            told.append(f"An even chance would need market returns of {rate} a year")
    plan, typical = numbers["monthly_sip"], numbers["typical_payment"]
    if typical > 0 and abs(typical - plan) > USUAL * plan:
        # The model takes the plan's amount from the plan, and only how reliably it is paid from the record.
        told.append(f"You have been paying about {rupees(typical)}/month; the chance is that of {rupees(plan)}/month")
    if numbers["contribution_ratio"] < HIGH and numbers["monthly_sip"] > 0:
        paid = rupees(numbers["contribution_ratio"] * numbers["monthly_sip"])
        told.append(f"Your record suggests that about {paid}/month will be paid; paying every SIP raises the chance")
    return told[:MOST_WORDS]


def pad(texts: list[str]) -> list[str]:
    """Fill up with empty texts."""
    return [*texts, *[""] * (MOST_WORDS - len(texts))]


def _percent(value: float) -> str:
    return f"{np.round(value, 1):g}%"


def table(rows: list[list[str]]) -> FloatArray:
    """Return texts as a BYTES tensor."""
    return np.array(rows, dtype=object)
