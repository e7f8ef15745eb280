"""Generated data of benchmark model W1: interactions, so that the trees grow to their full depth."""

from __future__ import annotations

import numpy as np

from components.data.dataset import Dataset
from components.models.schema import Column

COLUMNS = tuple(Column(f"f{i:02d}", "standard deviations", minimum=-10.0, maximum=10.0) for i in range(30))


def make_dataset(rows: int = 20_000, seed: int = 7) -> Dataset:
    """Return independent rows, one a minute."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, len(COLUMNS))).clip(-6, 6).astype(np.float32)
    score = x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.5 * x[:, 3:9].sum(axis=1) + rng.normal(size=rows)
    times = np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(60, "s")
    label = (score > 0).astype(np.float64)[:, None]
    return Dataset({"features": x}, {"label": label}, times, times, np.full(rows, "bench", dtype=object))
