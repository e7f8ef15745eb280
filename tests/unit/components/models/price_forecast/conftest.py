"""A small real dataset: the S&P 500 from 2004 to 2011, and a model trained on it without the two networks."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.data.sources import load_bars, load_market
from components.features.price import compute_features
from components.models.markets.price_forecast.data import build_dataset
from components.models.markets.price_forecast.model import PriceForecast
from components.models.markets.price_forecast.params import Params

FAST = Params(members=("linear", "regularised", "xgboost"), tree_rounds=20)


@pytest.fixture(scope="session")
def dataset() -> Dataset:
    bars = load_bars("embedded", until="2011-12-31")
    bars = bars[(bars["entity"] == "SP500") & (bars["timestamp"] >= "2004-01-01")]
    return build_dataset(compute_features(bars, load_market("embedded")), bars, FAST.horizons)


@pytest.fixture(scope="session")
def parts(dataset: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    """Training, validation and test rows, with the longest horizon between them."""
    n = len(dataset)
    cut = [0, int(n * 0.5), int(n * 0.75), n]
    ranges = [np.arange(a, b - 21) for a, b in pairwise(cut)]
    return dataset.take(ranges[0]), dataset.take(ranges[1]), dataset.take(ranges[2])


@pytest.fixture(scope="session")
def model(parts: tuple[Dataset, Dataset, Dataset]) -> PriceForecast:
    # Hardly any shrinkage, so that every member that helps at all is served and tested.
    return PriceForecast(replace(FAST, blend_shrinkage=1e-6)).fit(parts[0], parts[1])
