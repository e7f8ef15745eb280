"""Simulated securities whose true variance is known: log variance is an AR(1), a day has 26 quarter hours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from components.data.dataset import Dataset
from components.features.price import compute_features
from components.models.markets.volatility.data import build_dataset
from components.models.markets.volatility.model import Volatility
from components.models.markets.volatility.params import HORIZONS

STEPS = 26
Bars = tuple[pd.DataFrame, pd.DataFrame]


def simulate(days: int, seed: int, entity: str = "SIM") -> Bars:
    """Return daily bars, and the true variance of each day."""
    rng = np.random.default_rng(seed)
    log_variance = np.empty(days)
    log_variance[0] = np.log(1e-4)
    for t in range(1, days):
        log_variance[t] = np.log(1e-4) + 0.97 * (log_variance[t - 1] - np.log(1e-4)) + 0.18 * rng.normal()
    variance = np.exp(log_variance)
    night = np.sqrt(0.2 * variance) * rng.normal(size=days)
    steps = np.sqrt(0.8 * variance / STEPS)[:, None] * rng.normal(size=(days, STEPS))
    opens = np.cumsum(night + np.concatenate([[0.0], steps.sum(axis=1)[:-1]]))
    path = opens[:, None] + np.concatenate([np.zeros((days, 1)), np.cumsum(steps, axis=1)], axis=1)
    times = pd.bdate_range("2010-01-04", periods=days).as_unit("ns") + pd.Timedelta(hours=21)
    prices = {"open": path[:, 0], "high": path.max(axis=1), "low": path.min(axis=1), "close": path[:, -1]}
    bars = pd.DataFrame({"entity": entity, "timestamp": times, **{k: 100 * np.exp(v) for k, v in prices.items()}})
    bars["volume"] = 1e6 * np.exp(0.2 * rng.normal(size=days))
    return bars, pd.DataFrame({"entity": entity, "timestamp": times, "variance": variance})


def market(bars: pd.DataFrame) -> pd.DataFrame:
    """Return a market context without information."""
    times = np.unique(bars["timestamp"])
    return pd.DataFrame({"timestamp": times, "vix": 20.0, "breadth": 0.5, "dispersion": 0.015, "vix_is_proxy": 0.0})


def dataset(bars: pd.DataFrame) -> Dataset:
    """Build the dataset of bars."""
    return build_dataset(compute_features(bars, market(bars)), bars, tuple(HORIZONS))


@pytest.fixture(scope="session")
def simulated() -> Bars:
    return simulate(3000, 11)


@pytest.fixture(scope="session")
def data(simulated: Bars) -> Dataset:
    return dataset(simulated[0])


@pytest.fixture(scope="session")
def parts(data: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    """Training, validation and test rows, with a month between them."""
    return data.take(np.arange(1300)), data.take(np.arange(1330, 1900)), data.take(np.arange(1930, len(data)))


@pytest.fixture(scope="session")
def model(parts: tuple[Dataset, Dataset, Dataset]) -> Volatility:
    return Volatility().fit(parts[0], parts[1])


@pytest.fixture(scope="session")
def make_dataset() -> Callable[[pd.DataFrame], Dataset]:
    return dataset


@pytest.fixture(scope="session")
def make_bars() -> Callable[..., Bars]:
    return simulate
