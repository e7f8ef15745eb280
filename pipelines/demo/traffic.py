"""The rows that the demo's traffic replays, and the regime change that it simulates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from components.data.dataset import Dataset
from components.features.definitions import NAMES, WINDOW_CHANNELS, WINDOW_LENGTH

if TYPE_CHECKING:
    import pandas as pd

Rows = dict[str, np.ndarray[Any, Any]]
RECENT = 1000
FACTOR = 3.0
SEED = 11
SIMULATION = (
    f"The {RECENT // 4} days after the last real bar are simulated: each security's recent log returns, redrawn and "
    f"multiplied by {FACTOR:g}, with VIX and dispersion raised alike."
)


STRIDE = 389
"""Coprime to :data:`RECENT`, so that any stretch of the replayed rows is spread evenly over years and securities."""


def recent_rows(data: Dataset) -> Rows:
    """Return the inputs of the last rows of a dataset, about two years of both securities, spread instead of in order.

    Days in their order are no fair sample of two years: consecutive market days resemble each other, and a test that
    takes them for independent draws would call any quiet month drift.
    """
    last = np.argsort(data.times, kind="stable")[-RECENT:]
    spread = last[np.arange(len(last)) * STRIDE % len(last)]
    return {name: values[spread] for name, values in data.inputs.items()}


def rows_after_regime_change(bars: pd.DataFrame) -> Rows:
    """Return inputs of simulated days at a multiple of the recent volatility; see :data:`SIMULATION`."""
    import pandas as pd

    from components.data.simulate import extend_market, regime_change
    from components.data.sources import load_market
    from components.features.price import compute_features

    after = regime_change(bars, FACTOR, SEED, rows=RECENT // 4)
    whole = pd.concat([bars, after]).sort_values(["entity", "timestamp"], ignore_index=True)
    features = compute_features(whole, extend_market(load_market(), after, FACTOR, SEED))
    # The first bars of a new regime still look back on the old one.
    start = after["timestamp"].min() + (after["timestamp"].max() - after["timestamp"].min()) / 4
    return as_inputs(features[features["timestamp"] >= start])


def as_inputs(features: pd.DataFrame) -> Rows:
    """Shape feature rows as the price forecast's input tensors."""
    window = np.stack([np.asarray(w, np.float32) for w in features["window"]])
    return {
        "features": features[list(NAMES)].to_numpy(np.float64),
        "window": window.reshape(-1, WINDOW_LENGTH, len(WINDOW_CHANNELS)),
    }
