"""What goes into the risk assessment and what comes out."""

from __future__ import annotations

from typing import Final

from components.finance.scenarios import CRISES
from components.models.schema import Column, Schema, Tensor

CONDITIONS: Final = (
    Column(
        "volatility_index", "percent, annualised", "VIX or the like; below 1 when not given", minimum=0, maximum=200
    ),
    Column("market_trend", "-1, 0 or 1", "bear, sideways (or not given), bull", minimum=-1, maximum=1),
    Column(
        "portfolio_volatility",
        "percent, annualised",
        "what the portfolio's own history says of tomorrow; below 1 for what the artifact knows",
        minimum=0,
        maximum=500,
    ),
)
PROFILE: Final = (
    Column("risk_capacity", "decimal", "largest share of the value whose loss changes no plans", minimum=0, maximum=1),
    Column("time_horizon", "months", "until the money is needed", minimum=1, maximum=600),
    Column("liquidity_needs", "decimal", "share of the value that may be needed at any time", minimum=0, maximum=1),
)
DAYS: Final = {"1_month": 21, "3_month": 63, "1_year": 252}
"""Trading days of the horizons."""
SHORTFALL_DAYS: Final = 10
SCENARIOS: Final = ("market_correction_10_percent", "sector_specific_downturn")
STRESSES: Final = (*CRISES, "sector_crash")
QUANTILES: Final = (0.005, 0.01, 0.025, *(n / 40 for n in range(2, 39)), 0.975, 0.99, 0.995)
ERRORS: Final = ("portfolio_var_95", "portfolio_cvar_95", "expected_shortfall", "probability_of_loss_1_month")

INPUTS: Final = Schema(
    (
        Tensor("security_id", "BYTES", (-1,), description='as the training data name it; "" for no holding'),
        Tensor("weight", "FP64", (-1,), unit="decimal", description="share of the value; all add up to 1"),
        Tensor("quantity", "FP64", (-1,), unit="units"),
        Tensor("current_value", "FP64", (-1,), unit="currency"),
        Tensor(
            "volatility",
            "FP64",
            (-1,),
            unit="percent, annualised",
            description="forecast of each holding's volatility for tomorrow; left out for what the artifact knows",
        ),
        Tensor(
            "correlation",
            "FP64",
            (-1, -1),
            description="of the holdings' daily returns, in their order; left out for what history says",
        ),
        Tensor("conditions", "FP64", (len(CONDITIONS),), CONDITIONS),
        Tensor("profile", "FP64", (len(PROFILE),), PROFILE),
    )
)


def _columns(names: tuple[str, ...], unit: str) -> tuple[Column, ...]:
    return tuple(Column(name, unit) for name in names)


def _numbers(name: str, columns: tuple[str, ...], unit: str, description: str) -> Tensor:
    return Tensor(name, "FP64", (len(columns),), _columns(columns, unit), unit, description)


OUTPUTS: Final = Schema(
    (
        _numbers("portfolio_var_95", ("1_month",), "percent", "return that falls short with probability 5 %"),
        _numbers("portfolio_cvar_95", ("1_month",), "percent", "mean of the 5 % worst returns"),
        _numbers("expected_shortfall", ("10_day",), "percent", "mean of the 2.5 % worst returns, Basel's measure"),
        _numbers(
            "daily_risk", ("var_99", "var_975", "var_95", "es_975"), "percent", "of the next day, without simulation"
        ),
        _numbers("probability_of_loss", tuple(DAYS), "decimal", "of ending below the start"),
        _numbers("max_drawdown_forecast", ("expected", "worst_case_95"), "percent", "over a year, positive"),
        _numbers("risk_score", ("score",), "0 to 100", "feared loss beside what its owner can bear; 50 when equal"),
        _numbers("scenario_probability", SCENARIOS, "decimal", "within the owner's horizon, a year at most"),
        _numbers("scenario_impact", SCENARIOS, "percent", "what the portfolio is expected to do in it"),
        _numbers("scenario_recovery", tuple(f"{s}_{q}" for s in SCENARIOS for q in ("from", "to")), "months", ""),
        _numbers("stress_test_results", STRESSES, "percent", "the same portfolio through what happened"),
        _numbers("return_quantiles", tuple(f"q{q:g}" for q in QUANTILES), "percent", "of the next month"),
        _numbers("standard_errors", ERRORS, "as the figure", "that the number of paths leaves"),
        _numbers("confidence", ("share",), "decimal", "that simulation errs by less than a tenth of the VaR"),
        Tensor("component_var", "FP64", (-1,), unit="percent", description="parts of portfolio_var_95 by holding"),
        Tensor("risk_category", "BYTES", (1,)),
        Tensor("recovery_time_estimate", "BYTES", (len(SCENARIOS),)),
    )
)
