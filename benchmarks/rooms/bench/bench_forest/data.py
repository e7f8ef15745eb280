"""Generated data of benchmark model W2: Friedman's first function and noise columns."""

from __future__ import annotations

import numpy as np

from components.data.dataset import Dataset
from components.models.schema import Column

COLUMNS = tuple(Column(f"f{i:02d}", "decimal", minimum=0.0, maximum=1.0) for i in range(22))


def make_dataset(rows: int = 4_000, seed: int = 7) -> Dataset:
    """Return independent rows, one a minute (Friedman 1991, doi:10.1214/aos/1176347963)."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(size=(rows, len(COLUMNS))).astype(np.float32)
    y = 10 * np.sin(np.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5) ** 2 + 10 * x[:, 3] + 5 * x[:, 4]
    times = np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(60, "s")
    target = (y + rng.normal(size=rows)).astype(np.float64)[:, None]
    return Dataset({"features": x}, {"target": target}, times, times, np.full(rows, "bench", dtype=object))
