"""What goes into the model and what comes out."""

from __future__ import annotations

from typing import Final

from components.models.portfolio.auto_invest.signals import TRAITS
from components.models.schema import Column, Schema, Tensor

LIMITS: Final = 20
"""Sector limits of a request, at most."""

STRATEGY: Final = (
    Column("total_value", "currency", "what the shares are of: holdings and cash, before the new money", minimum=0),
    Column("cash_balance", "currency", "beside the holdings", minimum=0),
    Column("unrealized_pnl", "currency", "market value of the holdings less what was paid for them"),
    Column("risk_tolerance", "decimal", "0 for none, 1 for all", minimum=0, maximum=1),
    Column("max_position_size", "decimal", "largest share of one security", minimum=0, maximum=1),
    Column("max_positions", "securities", "most securities held", minimum=1),
    Column("investment_amount", "currency", "new money to invest now", minimum=0),
)
STATES: Final = (
    Column("volatility", "annualised decimal", "volatility of the market", minimum=0, maximum=5),
    Column("sentiment", "-1 to 1", "of the market; trained on breadth", minimum=-1, maximum=1),
    Column("index_return", "decimal", "mean return of the market indices over a month", minimum=-1, maximum=5),
    Column("sector_return", "decimal", "mean return of the sectors over a month", minimum=-1, maximum=5),
    Column("sector_dispersion", "decimal", "standard deviation of those returns", minimum=0, maximum=5),
)
GIVEN: Final = ("volatility", "sentiment", "market_indices", "sector_performance")
"""Parts of the market's state that a request gives or leaves to the model's newest."""

INPUTS: Final = Schema(
    (
        Tensor("strategy", "FP64", (len(STRATEGY),), STRATEGY),
        Tensor("market", "FP64", (len(STATES),), STATES, description="counts where market_given says so"),
        Tensor(
            "market_given",
            "BOOL",
            (len(GIVEN),),
            tuple(Column(name) for name in GIVEN),
            description="false for the state at the end of the model's data",
        ),
        Tensor("limit_sector", "BYTES", (LIMITS,), description="sectors with a limit, then empty texts"),
        Tensor("limit_share", "FP64", (LIMITS,), unit="decimal", description="largest share of each of them"),
        Tensor("security_id", "BYTES", (-1,), description="securities to choose from; all known ones when left out"),
        Tensor("current_allocation", "FP64", (-1,), unit="decimal", description="shares of total_value held now"),
        *(
            Tensor(trait, "FP64", (-1,), unit="decimal", description="newest of the model's data when left out")
            for trait in TRAITS
        ),
    )
)

PERFORMANCE: Final = (
    Column("annual_return", "decimal", "expected, sum of the contributions"),
    Column("volatility", "annualised decimal"),
    Column("sharpe_ratio", "", "over the risk-free rate of the hyper-parameters"),
    Column("max_drawdown", "decimal", "expected largest fall from a high within a year"),
)
TRADE: Final = (
    Column("rebalance", "0 or 1", "whether more than new money is traded now"),
    Column("turnover", "decimal", "sum of the trades over the value"),
    Column("estimated_cost", "currency", "of these trades"),
    Column("cash", "decimal", "share left uninvested"),
    Column("stop_loss", "decimal", "fall from the quarter's high that closes a position"),
    Column("interval", "trading days", "between decisions"),
)
OUTPUTS: Final = Schema(
    (
        Tensor("allocation", "FP64", (-1,), unit="decimal", description="shares after the trades, new money included"),
        Tensor("contribution", "FP64", (-1,), unit="decimal", description="to the expected annual return"),
        Tensor("performance", "FP64", (len(PERFORMANCE),), PERFORMANCE),
        Tensor("trade", "FP64", (len(TRADE),), TRADE),
        Tensor(
            "confidence",
            "FP64",
            (1,),
            (Column("not_worse", "probability", "that the next month is not worse than equal shares, net of costs"),),
        ),
        Tensor("security", "BYTES", (-1,), description="whose shares they are"),
    )
)
