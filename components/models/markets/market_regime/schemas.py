"""Input and output schema of the market regime."""

from __future__ import annotations

from dataclasses import replace

from components.features.definitions import WINDOW_CHANNELS, WINDOW_LENGTH
from components.models.markets.market_regime.dating import REGIMES
from components.models.markets.market_regime.observations import COLUMNS
from components.models.schema import Column, Schema, Tensor

MIN_PRICE = 1e-6
HIDDEN = ("calm", "normal", "turbulent", "state_3", "state_4")
"""Names of the hidden states, in ascending order of volatility."""


def input_schema() -> Schema:
    """Return the features, with their bounds, and the 60-bar window."""
    # A price of zero passes the table of features but has no logarithm.
    prices = tuple(replace(c, minimum=MIN_PRICE) if c.unit == "price" else c for c in COLUMNS)
    window = tuple(
        Column(name, "log", f"Log of {name} over the window's last close or mean volume", -12, 12)
        for name in WINDOW_CHANNELS
    )
    return Schema(
        (
            Tensor("features", "FP64", (len(prices),), prices, description="Features at the bar's end"),
            Tensor(
                "window", "FP32", (WINDOW_LENGTH, len(window)), window, description="The last 60 bars, oldest first"
            ),
        )
    )


def output_schema(states: int, ahead: int) -> Schema:
    """Return probabilities first, then what follows from them, the word last.

    Parameters
    ----------
    states : int
        Hidden states.
    ahead : int
        Bars ahead of ``transition`` and ``switch_probability``.
    """

    def by_regime(name: str, unit: str, text: str) -> Tensor:
        return Tensor(name, "FP64", (len(REGIMES),), tuple(Column(r, unit, text) for r in REGIMES), unit, text)

    def scalar(name: str, unit: str, text: str) -> Tensor:
        return Tensor(name, "FP64", unit=unit, description=text)

    hidden = tuple(Column(name, "decimal", "Filtered probability of the hidden state") for name in HIDDEN[:states])
    return Schema(
        (
            by_regime("probabilities", "decimal", "Calibrated probability that this is the regime now"),
            scalar("confidence", "decimal", "Probability of the named regime"),
            scalar("expected_duration", "bars", "Expected bars until the named regime ends"),
            scalar("switch_probability", "decimal", f"Probability that the present regime ends within {ahead} bars"),
            by_regime("transition", "decimal", f"Probability that this is the regime in {ahead} bars"),
            scalar("volatility", "annualised decimal", "Volatility of the next bar, over the regimes' probabilities"),
            scalar("expected_return", "annualised decimal", "Mean log return of the next bar, likewise"),
            by_regime("regime_volatility", "annualised decimal", "Volatility of the next bar in the regime"),
            by_regime("regime_return", "annualised decimal", "Mean log return of the next bar in the regime"),
            Tensor("states", "FP64", (states,), hidden, "decimal", "Filtered hidden states, by volatility"),
            Tensor("regime", "BYTES", description="The likeliest: 'bull', 'sideways' or 'bear'"),
        )
    )
