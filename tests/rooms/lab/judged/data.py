"""Generated portfolios: two or three holdings, the third being padding in every other row."""

from __future__ import annotations

import numpy as np
import pandas as pd

from components.data.dataset import Dataset

SCALES = {"CALM": 0.005, "MIXED": 0.01, "WILD": 0.03}


def make_dataset(rows: int = 1500, seed: int = 7) -> Dataset:
    """Return generated rows, one a day."""
    rng = np.random.default_rng(seed)
    names = np.tile(np.array(list(SCALES), object), (rows, 1))
    names[::2, 2] = ""
    weight = rng.dirichlet(np.ones(3), rows)
    weight[::2, 2] = 0
    weight /= weight.sum(axis=1, keepdims=True)
    scale = rng.uniform(0.5, 2, (rows, 1))
    returns = rng.normal(0, list(SCALES.values()), (rows, 3))
    times = np.datetime64("2010-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "D")
    return Dataset(
        inputs={
            "security_id": names,
            "weight": weight,
            "conditions": scale,
            "correlation": np.empty((rows, 0, 0)),
        },
        targets={"return": (weight * returns * np.sqrt(scale)).sum(axis=1, keepdims=True), "returns": returns},
        times=times,
        label_times=times + np.timedelta64(1, "D"),
        entities=np.full(rows, "portfolio", dtype=object),
    )


def build_dataset(features: pd.DataFrame, bars: pd.DataFrame, horizons: tuple[str, ...]) -> Dataset:
    """The graph's rows."""
    return make_dataset()
