"""The product's JSON of one prediction, as document 0 (section 4, Price Prediction Model) words it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy.typing as npt


def present(outputs: Mapping[str, npt.NDArray[Any]], row: int, horizons: Sequence[str]) -> dict[str, Any]:
    """Return one row of the outputs as nested JSON-ready values.

    The caller adds ``security_id``, ``model_version``, ``generated_at`` and the disclaimers, which the model does not
    know.

    Parameters
    ----------
    outputs : mapping of str to ndarray
        What :meth:`PriceForecast.predict` returned.
    row : int
        Row of the batch.
    horizons : sequence of str
        Names of the columns.
    """
    if len(horizons) != outputs["price"].shape[1]:
        raise ValueError(f"{len(horizons)} horizon names for {outputs['price'].shape[1]} columns of 'price'")
    predictions = {
        name: {
            "price": float(outputs["price"][row, h]),
            "confidence_interval": [float(outputs["lower"][row, h]), float(outputs["upper"][row, h])],
            "confidence": float(outputs["confidence"][row, h]),
            "direction": str(outputs["direction"][row, h]),
        }
        for h, name in enumerate(horizons)
    }
    return {
        "current_price": float(outputs["current_price"][row]),
        "predictions": predictions,
        "risk_assessment": {
            name: float(outputs[name][row]) for name in ("volatility_forecast", "max_expected_drawdown", "var_95")
        },
        "suspended": bool(outputs["suspended"][row]),
    }
