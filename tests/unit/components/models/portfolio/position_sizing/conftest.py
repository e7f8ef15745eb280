"""A simulated universe whose volatility, correlation and expected returns are known."""

import numpy as np
import pandas as pd
import pytest

from components.data.dataset import Dataset
from components.data.panel import Panel
from components.models.portfolio.position_sizing.data import build_rows
from components.models.portfolio.position_sizing.model import PositionSizing

NAMES = ("AAPL", "JPM", "KO", "MSFT", "PG", "XOM")
VOLATILITY = np.array([0.32, 0.3, 0.16, 0.25, 0.18, 0.24])
CORRELATION = 0.4


def simulate(days: int = 2600, seed: int = 11) -> Panel:
    """Return closes with one common factor; every volatility doubles in alternate half-years.

    The mean return, 50 % a year, is so high that Kelly's limit stays out of the way of the volatility target.
    """
    rng = np.random.default_rng(seed)
    factor, own = rng.standard_normal((days, 1)), rng.standard_normal((days, len(NAMES)))
    wild = 1.0 + ((np.arange(days) // 126) % 2 == 1)[:, None]
    daily = VOLATILITY / np.sqrt(252) * wild
    moves = 0.5 / 252 + daily * (np.sqrt(CORRELATION) * factor + np.sqrt(1 - CORRELATION) * own)
    times = (pd.bdate_range("2005-01-03", periods=days) + pd.Timedelta(hours=21)).to_numpy("datetime64[ns]")
    return Panel(times, NAMES, 100 * np.exp(np.cumsum(moves - moves.var(axis=0) / 2, axis=0)))


@pytest.fixture(scope="session")
def universe() -> Panel:
    return simulate()


@pytest.fixture(scope="session")
def rows(universe: Panel) -> Dataset:
    return build_rows(universe)


@pytest.fixture(scope="session")
def parts(rows: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    times = np.unique(rows.times)
    first, second = times[int(0.45 * len(times))], times[int(0.6 * len(times))]
    masks = (rows.label_times <= first, (rows.times >= first) & (rows.label_times <= second), rows.times >= second)
    train, validation, test = (rows.take(mask) for mask in masks)
    return train, validation, test


@pytest.fixture(scope="session")
def sizer(parts: tuple[Dataset, Dataset, Dataset]) -> PositionSizing:
    model = PositionSizing()
    model.fit(*parts[:2])
    return model
