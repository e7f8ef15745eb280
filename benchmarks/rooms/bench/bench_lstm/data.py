"""Generated data of benchmark model W3: windows of random walks."""

from __future__ import annotations

import numpy as np

from components.data.dataset import Dataset
from components.models.schema import Column

STEPS = 60
CHANNELS = tuple(Column(f"c{i:02d}", "standard deviations", minimum=-50.0, maximum=50.0) for i in range(16))


def make_dataset(rows: int = 600, seed: int = 7) -> Dataset:
    """Return windows whose target is the mean of two channels' last steps."""
    rng = np.random.default_rng(seed)
    window = (rng.normal(size=(rows, STEPS, len(CHANNELS))).cumsum(axis=1) / 4).clip(-40, 40).astype(np.float32)
    target = window[:, -5:, :2].mean(axis=(1, 2)).astype(np.float64)[:, None]
    times = np.datetime64("2024-01-01", "ns") + np.arange(rows) * np.timedelta64(60, "s")
    return Dataset({"window": window}, {"target": target}, times, times, np.full(rows, "bench", dtype=object))
