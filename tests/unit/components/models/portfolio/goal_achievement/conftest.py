"""A market whose truth is known, a goal predictor fitted on it, and a goal to ask about."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from components.data.dataset import Dataset
from components.models.portfolio.goal_achievement.data import build_dataset
from components.models.portfolio.goal_achievement.model import GoalAchievement
from components.models.portfolio.goal_achievement.params import Params

Batch = dict[str, npt.NDArray[Any]]
SECURITIES, MONTHS = 8, 240


def monthly_bars(seed: int = 1) -> pd.DataFrame:
    """Closes of securities that share a market of 10 % a year; one bar a month."""
    generator = np.random.default_rng(seed)
    market = generator.normal(0.008, 0.04, (MONTHS, 1))
    closes = 100 * np.exp(np.cumsum(market + generator.normal(0, 0.04, (MONTHS, SECURITIES)), axis=0))
    times = pd.date_range("1995-01-31 21:00", periods=MONTHS, freq="ME", tz="UTC").tz_localize(None)
    wide = pd.DataFrame(closes, index=times, columns=[f"S{i}" for i in range(SECURITIES)])
    long = wide.rename_axis("timestamp").melt(var_name="entity", value_name="close", ignore_index=False).reset_index()
    for name in ("open", "high", "low"):
        long[name] = long["close"]
    return long.assign(volume=0.0)


@pytest.fixture(scope="session")
def bars() -> pd.DataFrame:
    return monthly_bars()


@pytest.fixture(scope="session")
def dataset(bars: pd.DataFrame) -> Dataset:
    return build_dataset(None, bars, ("target_date",), savers=500)


@pytest.fixture(scope="session")
def model(dataset: Dataset) -> GoalAchievement:
    rows = np.arange(len(dataset))
    return GoalAchievement(Params(paths=2048, rounds=20)).fit(dataset.take(rows[:400]), dataset.take(rows[400:]))


@pytest.fixture
def question() -> Batch:
    """A steady saver two years on the way, four years to go."""
    generator = np.random.default_rng(5)
    return {
        "goal": np.array([[2_000_000.0, 500_000.0, 48.0, 12.0, 20_000.0, 11.0]]),
        "contributions": np.full((1, 24), 20_000.0),
        "portfolio_returns": generator.normal(0.8, 3.0, (1, 24)),
        "history": np.array([[24.0, 24.0, 0.95]]),
        "assumptions": np.array([[11.0, 16.0, 5.0]]),
        "given": np.ones((1, 4)),
    }
