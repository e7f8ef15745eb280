"""A simulated market whose regimes are known: calm rises, wild falls."""

import numpy as np
import pandas as pd
import pytest

from components.data.dataset import Dataset
from components.data.sources import load_market
from components.features.price import compute_features
from components.models.markets.market_regime.data import build_dataset
from components.models.markets.market_regime.model import MarketRegime, Params


def simulate(days: int = 6500, seed: int = 5) -> pd.DataFrame:
    """Return bars: spells of 400 calm days (+0.08 % a day, 0.6 %) and of 130 wild ones (-0.3 % a day, 2 %)."""
    rng = np.random.default_rng(seed)
    bear = (np.arange(days) % 530) >= 400
    move = np.where(bear, -0.003, 0.0008) + np.where(bear, 0.02, 0.006) * rng.standard_normal(days)
    close = 1000 * np.exp(np.cumsum(move))
    spread = np.where(bear, 0.015, 0.005) * rng.uniform(0.5, 1.5, days)
    times = pd.bdate_range("2005-01-03", periods=days) + pd.Timedelta(hours=21)
    frame = {"entity": "SIM", "timestamp": times.as_unit("ns"), "open": close, "close": close, "volume": 0.0}
    return pd.DataFrame(frame | {"high": close * (1 + spread), "low": close * (1 - spread)})


@pytest.fixture(scope="session")
def market_bars() -> pd.DataFrame:
    return simulate()


@pytest.fixture(scope="session")
def market_features(market_bars: pd.DataFrame) -> pd.DataFrame:
    return compute_features(market_bars, load_market("a file").astype({"timestamp": "datetime64[ns]"}))


@pytest.fixture(scope="session")
def regimes(market_features: pd.DataFrame, market_bars: pd.DataFrame) -> Dataset:
    return build_dataset(market_features, market_bars, ())


@pytest.fixture(scope="session")
def halves(regimes: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    """Training, validation and test rows, purged by what was certain when the next part began."""
    times = np.unique(regimes.times)
    first, second = times[int(0.5 * len(times))], times[int(0.65 * len(times))]
    parts = (
        regimes.label_times < first,
        (regimes.times >= first) & (regimes.label_times < second),
        regimes.times >= second,
    )
    train, validation, test = (regimes.take(part) for part in parts)
    return train, validation, test


@pytest.fixture(scope="session")
def fitted(halves: tuple[Dataset, Dataset, Dataset]) -> MarketRegime:
    model = MarketRegime(Params(starts=2))
    model.fit(*halves[:2])
    return model
