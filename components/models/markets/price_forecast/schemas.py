"""Input and output schema of the price forecast."""

from __future__ import annotations

from dataclasses import replace

from components.features.definitions import FEATURES, WINDOW_CHANNELS, WINDOW_LENGTH
from components.models.markets.price_forecast.data import HORIZONS
from components.models.markets.price_forecast.params import Params
from components.models.schema import Column, Schema, Tensor

MIN_PRICE = 1e-6
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
    """Return the features, with their bounds, and the 60-bar window."""
    # A price of zero passes the table of features but has no logarithm and no return.
    columns = tuple(replace(c, minimum=MIN_PRICE) if c.name == "close" else c for c in FEATURES)
    return Schema(
        (
            Tensor("features", "FP64", (len(columns),), columns, description="Features at the bar's end"),
            Tensor(
                "window",
                "FP32",
                (WINDOW_LENGTH, len(_WINDOW)),
                _WINDOW,
                description="The last 60 bars relative to the last close, oldest first",
            ),
        )
    )


def output_schema(params: Params) -> Schema:
    """Return one column per horizon for each forecast, and one value per row for each risk figure."""
    share = f"{params.coverage:.0%}"
    last = params.horizons[-1]

    def forecast(name: str, datatype: str, unit: str, text: str) -> Tensor:
        columns = tuple(Column(h, unit, f"{text}, {HORIZONS[h]} bars ahead") for h in params.horizons)
        return Tensor(name, datatype, (len(columns),), columns, unit, text)

    def scalar(name: str, datatype: str, unit: str, text: str) -> Tensor:
        return Tensor(name, datatype, unit=unit, description=text)

    return Schema(
        (
            forecast("price", "FP64", "price", "Forecast price"),
            forecast("lower", "FP64", "price", f"Lower end of the {share} conformal interval"),
            forecast("upper", "FP64", "price", f"Upper end of the {share} conformal interval"),
            forecast("confidence", "FP64", "decimal", "Calibrated probability that the direction is right"),
            forecast("direction", "BYTES", "", "'up' or 'down', the likelier; the price never contradicts it"),
            scalar("current_price", "FP64", "price", "Close that the forecast starts from"),
            scalar("volatility_forecast", "FP64", "annualised %", f"Volatility forecast over {last}"),
            scalar("max_expected_drawdown", "FP64", "%", f"Expected maximum drawdown over {last}"),
            scalar("var_95", "FP64", "%", f"95 % value at risk over {last}: the return that 5 % fall below; negative"),
            scalar(
                "suspended", "BOOL", "", "Volatility is above what the intervals were calibrated on: do not rely on it"
            ),
        )
    )
