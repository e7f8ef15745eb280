"""Input and output schema of position sizing."""

from __future__ import annotations

from typing import Final

from components.models.schema import Column, Schema, Tensor

PERCENT = "% of portfolio"
ACCOUNT: Final = (
    Column("portfolio_value", "currency", "Value of the portfolio, cash included", 0.01, 1e15),
    Column("cash", "currency", "Uninvested cash", 0.0, 1e15),
    Column("positions", "count", "Securities held", 0.0, 10_000.0),
    Column("vix", "volatility points", "Volatility index of the market", 1.0, 200.0),
    Column("market_trend", "-1 to 1", "1 rising, 0 without trend, -1 falling", -1.0, 1.0),
    Column("sector_rotation", "decimal", "Quarter's return of the security's sector less the market's", -1.0, 1.0),
    Column(
        "target_volatility",
        "annualised decimal",
        "Volatility that the portfolio may have with the position; 0 for the market's own long-run one",
        0.0,
        2.0,
    ),
    Column(
        "recent_volatility",
        "annualised decimal",
        "RiskMetrics volatility of the security now; 0 where it is not known: that of the end of training then",
        0.0,
        10.0,
    ),
)


def input_schema() -> Schema:
    """Return the account, the security that is asked about, and what is held (optional)."""
    return Schema(
        (
            Tensor("account", "FP64", (len(ACCOUNT),), ACCOUNT, description="Portfolio and market"),
            Tensor("symbol", "BYTES", description="Security that the position is for"),
            Tensor("security_id", "BYTES", (-1,), description="Securities held; empty text for none"),
            Tensor("weight", "FP64", (-1,), unit="decimal", description="Their shares of the portfolio"),
            Tensor(
                "holding_volatility",
                "FP64",
                (-1,),
                unit="annualised decimal",
                description="Their RiskMetrics volatilities now; 0 as for recent_volatility",
            ),
        )
    )


def output_schema() -> Schema:
    """Return the position first, the levels, what they come from, and the word last."""

    def scalar(name: str, unit: str, text: str) -> Tensor:
        return Tensor(name, "FP64", unit=unit, description=text)

    return Schema(
        (
            scalar("recommended_position", PERCENT, "Position in the security, what is held of it included"),
            scalar("stop_loss", "% below entry", "Fall that one path in ten reaches within the holding time"),
            scalar("take_profit", "% above entry", "Rise that one path in four reaches within the holding time"),
            scalar("max_drawdown", "%", "Expected maximum drawdown of the security within the holding time"),
            scalar("volatility_adjustment", "ratio", "Long-run volatility of the security over its forecast"),
            scalar("correlation_risk", "correlation", "Forecast correlation of the security with what is held"),
            scalar("confidence", "decimal", "Probability that realised risk comes within a quarter of expected_risk"),
            scalar("expected_risk", "annualised %", "Forecast volatility of the portfolio with the position"),
            scalar("volatility_forecast", "annualised %", "Forecast volatility of the security"),
            scalar("expected_return", "annualised %", "Shrunk expected return of the security"),
            scalar("volatility_position", PERCENT, "Position that meets the target volatility"),
            scalar("kelly_position", PERCENT, "Fractional Kelly position"),
            scalar("kelly_fraction", "decimal", "Share of full Kelly that the edge's uncertainty leaves"),
            scalar("cash_limit", PERCENT, "Most that cash can buy, what is held included"),
            scalar("correlation_penalty", "decimal", "Share of the position that correlation takes away"),
            Tensor("binding", "BYTES", description="What sets the position: 'volatility', 'kelly' or 'cash'"),
        )
    )
