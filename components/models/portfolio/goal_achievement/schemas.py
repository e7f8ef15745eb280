"""Input and output tensors of the goal predictor."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from components.models.schema import Column, Schema, Tensor

HISTORY_MONTHS: Final = 24
"""Document 0: "last 24 months"."""
LONGEST_MONTHS: Final = 480
"""Longest horizon, 40 years: what returns do beyond is nothing that three decades of data could tell."""
LARGEST_AMOUNT: Final = 1e13
"""₹10 lakh crore; more is a mistake of unit."""
MOST_MILESTONES: Final = 10
MOST_WORDS: Final = 4
FAN_POINTS: Final = 13
"""From now to the target date, evenly."""

GOAL: Final = (
    Column("target_amount", "₹", "amount wanted on the target date, in rupees of that day", 1.0, LARGEST_AMOUNT),
    Column("current_amount", "₹", "saved for it so far", 0.0, LARGEST_AMOUNT),
    Column("months_to_target", "months", "whole months from now to the target date", 1.0, LONGEST_MONTHS),
    Column("target_month", "month of year", "calendar month of the target date, 1 to 12", 1.0, 12.0),
    Column("monthly_sip", "₹/month", "planned contribution, paid at each month's end", 0.0, LARGEST_AMOUNT),
    Column("expected_returns", "percent/year", "what the saver expects of the portfolio", -50.0, 100.0),
)
HISTORY: Final = (
    Column("contribution_months", "months", "how many of the last contributions are known", 0.0, HISTORY_MONTHS),
    Column("return_months", "months", "how many of the last returns are known", 0.0, HISTORY_MONTHS),
    Column("consistency_score", "share", "of all planned contributions, how many were paid in full", 0.0, 1.0),
)
ASSUMPTIONS: Final = (
    Column("expected_market_return", "percent/year", "expected return of the stock market", -50.0, 100.0),
    Column("expected_volatility", "percent/year", "expected volatility of the stock market", 0.0, 200.0),
    Column("inflation_rate", "percent/year", "expected inflation", -20.0, 100.0),
)
GIVEN: Final = (
    Column("expected_market_return", "share", "1 where it is given, 0 where not; between: its weight", 0, 1),
    Column("expected_volatility", "share", "the same of the volatility", 0, 1),
    Column("inflation_rate", "share", "the same of inflation", 0, 1),
    Column("consistency_score", "share", "the same of the consistency score", 0, 1),
)
MILESTONE: Final = (
    Column("months_ahead", "months", "from now to that year's end"),
    Column("projected_amount", "₹", "expected amount then"),
    Column("probability_of_reaching", "share", "of at least the path's amount then"),
    Column("path_amount", "₹", "amount then at the constant return that just meets the target"),
)
FAN: Final = (
    Column("months_ahead", "months", "from now"),
    Column("pessimistic", "₹", "10th percentile"),
    Column("median", "₹", "median"),
    Column("optimistic", "₹", "90th percentile"),
    Column("paid_in", "₹", "there now, and planned to be paid until then"),
)


def input_schema() -> Schema:
    """Return the tensors that the model takes: a goal, what was paid and earned before, and what the market may do."""
    months = (HISTORY_MONTHS,)
    return Schema(
        (
            Tensor("goal", "FP64", (len(GOAL),), GOAL),
            Tensor("contributions", "FP64", months, unit="₹", description="last months, newest last, 0 in front"),
            Tensor("portfolio_returns", "FP64", months, unit="percent/month", description="newest last, 0 in front"),
            Tensor("history", "FP64", (len(HISTORY),), HISTORY),
            Tensor("assumptions", "FP64", (len(ASSUMPTIONS),), ASSUMPTIONS),
            Tensor("given", "FP64", (len(GIVEN),), GIVEN),
        )
    )


def output_schema() -> Schema:
    """Return the tensors that the model answers, numbers first."""
    return Schema(
        (
            _numbers("achievement_probability", Column("probability", "share", "of reaching the target amount")),
            _numbers("standard_error", Column("standard_error", "share", "Monte Carlo error of the probability")),
            _numbers("confidence", Column("confidence", "share", "1 less the 90 % half-width of the probability")),
            _numbers("real_probability", Column("probability", "share", "of reaching the target in today's money")),
            _numbers(
                "projections",
                Column("expected_final_amount", "₹", "mean"),
                Column("pessimistic_scenario", "₹", "10th percentile"),
                Column("optimistic_scenario", "₹", "90th percentile"),
                Column("expected_in_todays_money", "₹", "mean, less inflation until then"),
            ),
            _numbers(
                "adjustments",
                Column("increase_sip_by", "₹/month", "extra contribution that lifts the probability to 95 %"),
                Column("increase_returns_by", "percent/year", "extra return that does, 0 where none suffices"),
                Column("returns_suffice", "1 or 0", "whether any extra return within 100 points does"),
                Column("even_chance_return", "percent/year", "portfolio return at which the chance is one half"),
                Column("even_chance_known", "1 or 0", "whether such a return lies between -90 and 100 %"),
            ),
            _numbers(
                "assumed",
                Column("expected_return", "percent/year", "of the portfolio, after weighing what is known"),
                Column("volatility", "percent/year", "of the portfolio, likewise"),
                Column("inflation_rate", "percent/year", "given, or the model's"),
                Column("contribution_ratio", "share", "expected share of the planned contributions that is paid"),
                Column("contribution_spread", "share", "standard deviation of that share"),
            ),
            Tensor("milestones", "FP64", (MOST_MILESTONES, len(MILESTONE)), MILESTONE),
            _numbers("milestone_count", Column("count", "milestones", "rows of milestones that mean something")),
            Tensor("fan", "FP64", (FAN_POINTS, len(FAN)), FAN),
            Tensor("confidence_level", "BYTES", (1,), description="high, medium or low"),
            Tensor("recommendations", "BYTES", (MOST_WORDS,), description="empty after the last"),
        )
    )


def known_months(counts: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Return which months of a history are known, shape (rows, HISTORY_MONTHS): the last ``counts`` of them."""
    known: npt.NDArray[np.bool_] = np.arange(HISTORY_MONTHS) >= HISTORY_MONTHS - np.floor(counts)[:, None]
    return known


def _numbers(name: str, *columns: Column) -> Tensor:
    return Tensor(name, "FP64", (len(columns),), columns)
