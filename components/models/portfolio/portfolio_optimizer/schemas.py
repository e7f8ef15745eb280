"""Input and output schema of the portfolio optimiser."""

from __future__ import annotations

from components.models.portfolio.portfolio_optimizer.params import (
    FRONTIER,
    MAX_SECTORS,
    MAX_SECURITIES,
    METHODS,
    WINDOW,
)
from components.models.schema import Column, Schema, Tensor

CONSTRAINTS = (
    Column("max_positions", "securities", "Most securities that may be held; 0 for no limit", 0, MAX_SECURITIES),
    Column("turnover_limit", "decimal", "Largest share of the portfolio that may change hands; 1 for no limit", 0, 1),
    Column("transaction_cost_bp", "basis points", "Cost of a trade, of the amount traded", 0, 1000),
    Column("risk_aversion", "1", "What a unit of annual variance costs, in annual return, times two", 0.01, 1000),
    Column("portfolio_value", "currency", "What the portfolio is worth", 0, 1e15),
)
"""Limits and prices that hold for the whole portfolio."""


def _each(name: str, unit: str, text: str, datatype: str = "FP64") -> Tensor:
    return Tensor(name, datatype, (-1,), unit=unit, description=text)


def input_schema() -> Schema:
    """Return the question: securities, what is held, limits, views, and, if wanted, the returns to estimate from."""
    return Schema(
        (
            _each("security_id", "", "Securities to choose from; empty text for no security", "BYTES"),
            _each("current_weight", "decimal", "Weights held now; they sum to one, or are 0 (all cash)"),
            _each("min_weight", "decimal", "Least weight of each"),
            _each("max_weight", "decimal", "Largest weight of each"),
            _each("view", "annual decimal", "Expected return over the next year, for black_litterman"),
            _each("view_confidence", "decimal", "How sure of it: 0 for no view, 1 for certain"),
            Tensor("method", "BYTES", description=f"One of {', '.join(METHODS)}"),
            Tensor("constraints", "FP64", (len(CONSTRAINTS),), CONSTRAINTS, description="Of the whole portfolio"),
            Tensor("sector_name", "BYTES", (MAX_SECTORS,), description="Sectors that are limited, then empty texts"),
            Tensor("sector_limit", "FP64", (MAX_SECTORS,), unit="decimal", description="Largest weight of each sector"),
            Tensor(
                "history",
                "FP64",
                (WINDOW, -1),
                unit="decimal",
                description="Daily returns to estimate from, oldest first; of no security for those of the universe",
            ),
        )
    )


def output_schema() -> Schema:
    """Return the chosen portfolio, what it is expected to do, what getting there costs, and where it lies."""

    def scalar(name: str, unit: str, text: str, datatype: str = "FP64") -> Tensor:
        return Tensor(name, datatype, unit=unit, description=text)

    return Schema(
        (
            _each("weight", "decimal", "Weights to hold; they sum to one"),
            _each("trade", "currency", "To buy (above 0) or to sell"),
            _each("risk_contribution", "annualised decimal", "Part of the expected volatility; they add up to it"),
            scalar("expected_volatility", "annualised decimal", "Of the chosen portfolio"),
            scalar("expected_return", "annual decimal", "Bayes-Stein estimate, or with the views for black_litterman"),
            scalar("cvar_95", "decimal", "Mean return of the worst 5 % of the days of the history"),
            scalar("turnover", "decimal", "Share of the portfolio that changes hands"),
            scalar("cost", "decimal", "Of the trades, of the portfolio's value"),
            scalar("diversification_ratio", "1", "Weighted mean volatility over the portfolio's"),
            scalar("equal_weight_volatility", "annualised decimal", "Of 1/N of the same securities"),
            scalar("current_volatility", "annualised decimal", "Of the portfolio held now; of 1/N where cash is held"),
            scalar("yearly_gain", "decimal", "Certainty equivalent that rebalancing adds in a year, before cost"),
            scalar("rebalance", "", "Whether a year's gain pays for the trades", "BOOL"),
            Tensor(
                "frontier",
                "FP64",
                (FRONTIER, 2),
                (Column("volatility", "annualised decimal"), Column("expected_return", "annual decimal")),
                description="Efficient frontier under the limits of weights and sectors",
            ),
            scalar("confidence", "decimal", "Probability that next month's volatility will be below that of 1/N"),
            scalar(
                "fallback_step",
                "",
                "How far down the chain of fallbacks the answer comes from; 0 is the method",
                "INT64",
            ),
            scalar("fallback_used", "", "Name of that step; empty where the method itself answered", "BYTES"),
            scalar(
                "estimated_until", "", "Last day of the universe's returns; empty for returns that came along", "BYTES"
            ),
        )
    )
