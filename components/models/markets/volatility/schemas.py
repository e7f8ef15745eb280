"""Input and output schema of the volatility forecast."""

from __future__ import annotations

from components.features.definitions import WINDOW_CHANNELS, WINDOW_LENGTH
from components.models.markets.volatility.cone import QUANTILES
from components.models.markets.volatility.inputs import COLUMNS, LEAST_REALISED
from components.models.markets.volatility.params import HORIZONS, Params
from components.models.schema import Column, Schema, Tensor

ANNUAL = "annualised %"
_WINDOW = tuple(
    Column(
        name,
        "log",
        f"Log of {name} against the window's {'mean volume' if name == 'volume' else 'last close'}",
        -12,
        12,
    )
    for name in WINDOW_CHANNELS
)


def input_schema() -> Schema:
    """Return the features, the 60-day window, and the optional realised variances."""
    return Schema(
        (
            Tensor("features", "FP64", (len(COLUMNS),), COLUMNS, description="Features at the day's close"),
            Tensor(
                "window",
                "FP32",
                (WINDOW_LENGTH, len(_WINDOW)),
                _WINDOW,
                description="The last 60 daily bars relative to the last close, oldest first",
            ),
            Tensor(
                "realised",
                "FP64",
                (-1,),
                unit="decimal squared",
                description="Realised variances of the last days, oldest first, the newest that of the window's last "
                "day: squared overnight return plus the sum of squared intraday returns (5 minutes). At least "
                f"{LEAST_REALISED}; left out, they follow from the window's ranges. A longer history is a better cone",
            ),
        )
    )


def output_schema(params: Params) -> Schema:
    """Return one column per horizon for each forecast, and the cone."""
    share = f"{params.coverage:.0%}"

    def by_horizon(name: str, unit: str, text: str) -> Tensor:
        columns = tuple(Column(h, unit, f"{text}, {HORIZONS[h]} trading days") for h in params.horizons)
        return Tensor(name, "FP64", (len(columns),), columns, unit, text)

    return Schema(
        (
            by_horizon("volatility", ANNUAL, "Median forecast of realised volatility"),
            by_horizon("lower", ANNUAL, f"Lower end of the {share} conformal interval"),
            by_horizon("upper", ANNUAL, f"Upper end of the {share} conformal interval"),
            by_horizon(
                "confidence", "decimal", f"Probability that realised volatility is within {params.tolerance:.0%} of it"
            ),
            by_horizon("variance", "decimal squared", "Mean forecast of the daily variance"),
            by_horizon("percentile", "0-100", "Where the forecast stands in the security's own past volatility"),
            Tensor(
                "cone",
                "FP64",
                (len(params.horizons), len(QUANTILES)),
                tuple(Column(name, ANNUAL, f"{q:.0%} quantile of past volatility") for name, q in QUANTILES.items()),
                ANNUAL,
                "Quantiles of past volatility over each horizon",
            ),
            Tensor("current_volatility", "FP64", unit=ANNUAL, description="Realised over the last 21 days"),
        )
    )
