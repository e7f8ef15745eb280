"""What applications send to the risk assessment and what they get: document 0, "Risk Assessment Model"."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from components.wire import Payload

MOST_HOLDINGS: Final = 1000
EXAMPLE_PORTFOLIO: Final[dict[str, JsonValue]] = {
    "holdings": [
        {"security_id": "AAPL", "quantity": 120, "current_value": 18000.0, "weight": 0.45},
        {"security_id": "JPM", "quantity": 90, "current_value": 12000.0, "weight": 0.3},
        {"security_id": "KO", "quantity": 160, "current_value": 10000.0, "weight": 0.25},
    ]
}
EXAMPLE_PROFILE: Final[dict[str, JsonValue]] = {"risk_capacity": 0.25, "time_horizon": 60, "liquidity_needs": 0.1}


class Holding(Payload):
    """One position."""

    security_id: Annotated[str, Field(min_length=1, max_length=64)]
    quantity: float
    current_value: float
    weight: Annotated[float, Field(description="Share of the portfolio's value, decimal; all add up to 1")]


class Portfolio(Payload):
    """What is held."""

    holdings: Annotated[list[Holding], Field(min_length=1, max_length=MOST_HOLDINGS)]


class MarketConditions(Payload):
    """What the market is like; whatever is left out is taken as the model knows it."""

    volatility_index: Annotated[float | None, Field(ge=1, le=200, description="VIX or India VIX, percent")] = None
    market_trend: Literal["bear", "sideways", "bull"] | None = None
    correlation_matrix: Annotated[
        list[Annotated[list[float], Field(max_length=MOST_HOLDINGS)]] | None,
        Field(max_length=MOST_HOLDINGS, description="Of the holdings' daily returns, in their order"),
    ] = None


class UserProfile(Payload):
    """Whose risk it is."""

    risk_capacity: Annotated[
        float, Field(ge=0, le=1, description="Largest share of the value whose loss changes no plans, decimal")
    ]
    time_horizon: Annotated[int, Field(ge=1, le=600, description="Months until the money is needed")]
    liquidity_needs: Annotated[
        float, Field(ge=0, le=1, description="Share of the value that may be needed at any time, decimal")
    ]


class PortfolioDocument(Payload):
    """What is kept of a portfolio."""

    portfolio: Portfolio
    market_conditions: MarketConditions | None = None
    user_profile: UserProfile


class RiskRequest(Payload):
    """A portfolio by its id, or in full."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "portfolio": EXAMPLE_PORTFOLIO,
                    "market_conditions": {"volatility_index": 18.5, "market_trend": "bull"},
                    "user_profile": EXAMPLE_PROFILE,
                    "scenarios": ["market_correction", "sector_downturn"],
                },
                {
                    "portfolio_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7",
                    "scenarios": ["market_correction", "sector_downturn"],
                },
            ]
        }
    )

    portfolio_id: Annotated[str | None, Field(min_length=1, max_length=64)] = None
    portfolio: Portfolio | None = None
    market_conditions: MarketConditions | None = None
    user_profile: UserProfile | None = None
    scenarios: Annotated[
        list[Literal["market_correction", "sector_downturn"]],
        Field(default_factory=list, max_length=2, description="All when empty"),
    ]


class LossProbability(BaseModel):
    """Of being worth less than today."""

    model_config = ConfigDict(serialize_by_alias=True)

    one_month: Annotated[float, Field(ge=0, le=1, alias="1_month")]
    three_month: Annotated[float, Field(ge=0, le=1, alias="3_month")]
    one_year: Annotated[float, Field(ge=0, le=1, alias="1_year")]


class Drawdown(BaseModel):
    """Deepest loss from a peak within a year, percent."""

    expected: float
    worst_case_95: float


class StandardErrors(BaseModel):
    """What the number of simulated paths leaves open, in the unit of each figure."""

    portfolio_var_95: float
    portfolio_cvar_95: float
    expected_shortfall: float
    probability_of_loss_1_month: float


class RiskMetrics(BaseModel):
    """Percent of the value, losses negative."""

    portfolio_var_95: Annotated[float, Field(description="Over a month")]
    portfolio_cvar_95: Annotated[float, Field(description="Mean of the 5 % worst months")]
    expected_shortfall: Annotated[float, Field(description="Mean of the 2.5 % worst ten-day returns")]
    probability_of_loss: LossProbability
    max_drawdown_forecast: Drawdown
    standard_errors: StandardErrors


class Scenario(BaseModel):
    """What may happen, and what it would do."""

    scenario: str
    probability: Annotated[float, Field(ge=0, le=1)]
    portfolio_impact: float
    recovery_time_estimate: str


class RiskResponse(BaseModel):
    """The document's answer."""

    model_config = ConfigDict(
        protected_namespaces=(),
        json_schema_extra={
            "examples": [
                {
                    "risk_metrics": {
                        "portfolio_var_95": -8.5,
                        "portfolio_cvar_95": -12.3,
                        "expected_shortfall": -10.2,
                        "probability_of_loss": {"1_month": 0.35, "3_month": 0.28, "1_year": 0.15},
                        "max_drawdown_forecast": {"expected": 15.2, "worst_case_95": 28.5},
                        "standard_errors": {
                            "portfolio_var_95": 0.3,
                            "portfolio_cvar_95": 0.5,
                            "expected_shortfall": 0.5,
                            "probability_of_loss_1_month": 0.01,
                        },
                    },
                    "risk_score": 68,
                    "risk_category": "moderate",
                    "scenarios": [
                        {
                            "scenario": "market_correction_10_percent",
                            "probability": 0.15,
                            "portfolio_impact": -12.5,
                            "recovery_time_estimate": "6-9 months",
                        }
                    ],
                    "stress_test_results": {
                        "2020_covid_crash": -32.5,
                        "2008_financial_crisis": -45.2,
                        "sector_crash": -18.7,
                    },
                    "component_var": {"AAPL": -4.1, "JPM": -2.9, "KO": -1.5},
                    "confidence": 0.98,
                    "model_version": "2",
                    "generated_at": "2025-11-13T10:30:00Z",
                }
            ]
        },
    )

    risk_metrics: RiskMetrics
    risk_score: Annotated[float, Field(ge=0, le=100)]
    risk_category: str
    scenarios: list[Scenario]
    stress_test_results: dict[str, float]
    component_var: Annotated[
        dict[str, float], Field(description="What each security adds to portfolio_var_95, percent")
    ]
    confidence: Annotated[
        float, Field(ge=0, le=1, description="That simulation errs by less than a tenth of portfolio_var_95")
    ]
    model_version: str
    generated_at: str
