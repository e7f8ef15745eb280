"""Document 0's request blocks, word for word, and how they become features. Imports pydantic and numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Literal, TypeVar

import numpy as np
from pydantic import Field

from components.errors import InvalidRequest
from components.models.contract import FloatArray
from components.models.portfolio.portfolio_health.columns import CLASSES, NAMES, PROFILES, SECTORS
from components.wire import Payload

ROUNDING: Final = 0.5
"""Percent that rounding one share to a whole number may add or take; sums may miss 100 by that for every share."""
DAYS_OF_SQUARE: Final = 16.0
"""Square root of a year's 252 days: an annual volatility over it is a usual day's."""

Percent = Annotated[float, Field(ge=0, le=100)]
Block = TypeVar("Block", bound=Payload)


class AssetAllocation(Payload):
    """Percent of the portfolio; together 100."""

    equity_percent: Percent
    debt_percent: Percent
    gold_percent: Percent
    cash_percent: Percent


class PortfolioMetrics(Payload):
    """Size, holdings and what they are in."""

    total_value: Annotated[float, Field(ge=1, le=1e13, description="Rupees")]
    num_holdings: Annotated[
        int, Field(ge=1, le=10_000, description="Securities of the equity part; all securities where it is empty")
    ]
    sector_concentration: Annotated[
        list[Percent], Field(max_length=5, description="Top 5 sectors, percent of the equity part")
    ]
    asset_allocation: AssetAllocation
    sector_names: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=64, pattern=r"\S")]] | None,
        Field(max_length=5, description="Names of the sectors, in their order; for the recommendations' words"),
    ] = None


class RiskMetrics(Payload):
    """Of the last three years, or as much as there is."""

    portfolio_beta: Annotated[float, Field(ge=-5, le=10)]
    sharpe_ratio: Annotated[float, Field(ge=-20, le=20, description="Annualised")]
    sortino_ratio: Annotated[float, Field(ge=-40, le=40, description="Annualised")]
    max_drawdown: Annotated[float, Field(ge=-100, le=100, description="Percent; its sign is ignored")]
    volatility: Annotated[float, Field(ge=0, le=300, description="Annualised percent")]


class Diversification(Payload):
    """How widely the money is spread."""

    herfindahl_index: Annotated[
        float, Field(gt=0, le=1, description="Sum of squared weights of the holdings counted above, decimal")
    ]
    num_sectors: Annotated[int, Field(ge=0, le=100)]
    num_asset_classes: Annotated[int, Field(ge=1, le=20)]


class Performance(Payload):
    """Returns until now, percent."""

    returns_1m: Annotated[float, Field(ge=-100, le=1000)]
    returns_3m: Annotated[float, Field(ge=-100, le=1000)]
    returns_6m: Annotated[float, Field(ge=-100, le=1000)]
    returns_1y: Annotated[float, Field(ge=-100, le=1000)]


class UserContext(Payload):
    """Whose portfolio it is."""

    age: Annotated[int, Field(ge=0, le=120)]
    risk_profile: Literal["conservative", "moderate", "aggressive"]
    investment_horizon: Annotated[int, Field(ge=0, le=1200, description="Months")]


class PortfolioDocument(Payload):
    """Document 0's input: what an application may keep under a portfolio's id."""

    portfolio_metrics: PortfolioMetrics
    risk_metrics: RiskMetrics
    diversification: Diversification
    performance: Performance
    user_context: UserContext


class Blocks(Payload):
    """The same as a request carries it: what it leaves out is kept under its portfolio's id."""

    portfolio_metrics: PortfolioMetrics | None = None
    risk_metrics: RiskMetrics | None = None
    diversification: Diversification | None = None
    performance: Performance | None = None
    user_context: UserContext | None = None


def features_of(blocks: Blocks) -> FloatArray:
    """Return the features, shape (26,).

    Raises
    ------
    InvalidRequest
        If a block is missing, or figures contradict each other.
    """
    metrics, risk, spread, past, user = (
        _given(blocks.portfolio_metrics, "portfolio_metrics"),
        _given(blocks.risk_metrics, "risk_metrics"),
        _given(blocks.diversification, "diversification"),
        _given(blocks.performance, "performance"),
        _given(blocks.user_context, "user_context"),
    )
    check(metrics, risk, spread)
    shares = sorted(metrics.sector_concentration, reverse=True)
    values = {
        **dict.fromkeys(SECTORS, 0.0),
        **dict(zip(SECTORS, shares, strict=False)),
        **metrics.asset_allocation.model_dump(),
        **risk.model_dump(),
        **spread.model_dump(),
        **past.model_dump(),
        "total_value": metrics.total_value,
        "num_holdings": metrics.num_holdings,
        "max_drawdown": abs(risk.max_drawdown),
        "age": user.age,
        "risk_profile": PROFILES.index(user.risk_profile),
        "investment_horizon": user.investment_horizon,
    }
    return np.array([values[name] for name in NAMES], dtype=np.float64)


def largest_sector(metrics: PortfolioMetrics) -> str:
    """Return the name of the largest sector; empty where the names are not given."""
    if not metrics.sector_names:
        return ""
    shares = metrics.sector_concentration
    return metrics.sector_names[max(range(len(shares)), key=lambda i: shares[i])]


def check(metrics: PortfolioMetrics, risk: RiskMetrics, spread: Diversification) -> None:
    """Refuse what no portfolio can be.

    Raises
    ------
    InvalidRequest
        With the figure and what to do about it.
    """
    allocation = metrics.asset_allocation
    _check_shares([getattr(allocation, name) for name in CLASSES])
    _check_sectors(metrics, spread)
    _check_classes(allocation, spread)
    _check_fall(allocation, risk)
    least = 1 / metrics.num_holdings
    if spread.herfindahl_index < least * 0.999:
        raise InvalidRequest(
            f"{spread.herfindahl_index:g} is below 1/{metrics.num_holdings} = {least:.4g}, the least that "
            f"{metrics.num_holdings} holdings can have.",
            "Give the sum of the squared weights of the holdings that num_holdings counts, as decimals.",
            "diversification.herfindahl_index",
        )
    if allocation.equity_percent >= 20 and risk.volatility < 1:
        raise InvalidRequest(
            f"{risk.volatility:g} % a year is not the volatility of a portfolio with {allocation.equity_percent:g} % "
            "equity.",
            "Give percent, for example 18.5 and not 0.185.",
            "risk_metrics.volatility",
        )


def _check_shares(shares: Sequence[float]) -> None:
    total = sum(shares)
    if abs(total - 100) > ROUNDING * sum(share > 0 for share in shares):
        raise InvalidRequest(
            f"the four shares sum to {total:g} %, not to 100.",
            "Give percent of the whole portfolio, cash included, that sum to 100.",
            "portfolio_metrics.asset_allocation",
        )


def _check_sectors(metrics: PortfolioMetrics, spread: Diversification) -> None:
    shares, path = metrics.sector_concentration, "portfolio_metrics.sector_concentration"
    total, held = sum(shares), sum(share > 0 for share in shares)
    if total > 100 + ROUNDING * held:
        raise InvalidRequest(f"the sectors sum to {total:g} %.", "Give percent of the equity part, 100 at most.", path)
    if 0 < max(shares, default=0) <= 1:
        raise InvalidRequest(
            f"the largest sector is {max(shares):g} % of the equity part.", "Give percent: 45 for 45 %.", path
        )
    if held > spread.num_sectors:
        raise InvalidRequest(
            f"{held} sectors have a share, num_sectors is {spread.num_sectors}.",
            "Count every sector that is held.",
            "diversification.num_sectors",
        )
    if metrics.asset_allocation.equity_percent > 0 and not held:
        raise InvalidRequest(
            f"no sector has a share, but {metrics.asset_allocation.equity_percent:g} % is equity.",
            "Give the shares of the largest sectors, percent of the equity part.",
            path,
        )
    if held and total < 100 - ROUNDING * held and (held < len(SECTORS) or held == spread.num_sectors):
        raise InvalidRequest(
            f"the sectors sum to {total:g} %; the rest of the equity part is in none.",
            "Give the shares of all sectors, or of the five largest, percent of the equity part.",
            path,
        )
    if metrics.sector_names is not None and len(metrics.sector_names) != len(shares):
        raise InvalidRequest(
            f"{len(metrics.sector_names)} names for {len(shares)} sectors.",
            "Give one name for each value of sector_concentration, or none.",
            "portfolio_metrics.sector_names",
        )


def _check_classes(allocation: AssetAllocation, spread: Diversification) -> None:
    # Not everybody counts cash as a class.
    held = sum(getattr(allocation, name) > 0 for name in CLASSES if name != "cash_percent")
    if held > spread.num_asset_classes:
        raise InvalidRequest(
            f"{held} classes beside cash have a share, num_asset_classes is {spread.num_asset_classes}.",
            "Count every asset class that is held.",
            "diversification.num_asset_classes",
        )


def _check_fall(allocation: AssetAllocation, risk: RiskMetrics) -> None:
    fall, day = abs(risk.max_drawdown), risk.volatility / DAYS_OF_SQUARE
    if allocation.equity_percent >= 20 and 0 < fall < day:
        raise InvalidRequest(
            f"{fall:g} % is no largest fall where a usual day's move is {day:.2g} %, as a volatility of "
            f"{risk.volatility:g} % a year says.",
            "Give percent, for example 16.5 and not 0.165.",
            "risk_metrics.max_drawdown",
        )


def _given(block: Block | None, name: str) -> Block:
    if block is None:
        raise InvalidRequest(
            f"the block {name!r} is missing, and no portfolio that is kept has it.",
            "Send it, or name a portfolio_id under which the application keeps it.",
            name,
        )
    return block
