"""The tiny model's data: drawn from a fixed seed, with a relation that a linear model can find."""

from __future__ import annotations

import numpy as np

from components.data.dataset import Dataset
from components.models.schema import Column

FEATURES = (
    Column("close", "index points", "last close", minimum=0.0),
    Column("rsi_14", "percent", "relative strength index over 14 days", minimum=0.0, maximum=100.0),
    Column("volatility_21", "annualised decimal", "realised volatility over 21 days", minimum=0.0),
    Column("volume_ratio", "ratio", "volume over its 20-day mean"),
)
HORIZONS = {"1_day": 1, "5_day": 5}


def make_dataset(rows: int = 1200, seed: int = 7) -> Dataset:
    """Return ``rows`` consecutive days of one entity, in time order.

    Targets are prices at the end of each horizon; returns fall with RSI (mean reversion) and with volatility.
    """
    rng = np.random.default_rng(seed)
    features = np.column_stack(
        [
            2000.0 * np.exp(np.cumsum(rng.normal(0.0, 0.01, rows))),
            rng.uniform(15.0, 85.0, rows),
            rng.lognormal(-1.8, 0.3, rows),
            rng.lognormal(0.0, 0.25, rows),
        ]
    )
    signal = 2e-4 * (50.0 - features[:, 1]) - 0.01 * (features[:, 2] - 0.17)
    returns = np.column_stack([signal * np.sqrt(h) + rng.normal(0.0, 0.004, rows) for h in HORIZONS.values()])
    times = np.datetime64("2015-01-05T21:00", "ns") + np.arange(rows) * np.timedelta64(1, "D")
    return Dataset(
        inputs={"features": features},
        targets={"price": features[:, :1] * (1.0 + returns)},
        times=times,
        label_times=times + np.timedelta64(max(HORIZONS.values()), "D"),
        entities=np.full(rows, "SP500", dtype=object),
    )


def build_dataset(features: object, bars: object, horizons: tuple[str, ...]) -> Dataset:
    """Return the generated data, in the signature that every dataset builder has."""
    del features, bars, horizons
    return make_dataset()
