"""A small real dataset, and a model trained on it: 20 US stocks, simulated portfolios, few trees and epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.data.panel import Panel, build_panel
from components.data.sources import load_bars
from components.models.portfolio.portfolio_health.data import rated_portfolios
from components.models.portfolio.portfolio_health.model import PortfolioHealth
from components.models.portfolio.portfolio_health.params import Params

QUICK = Params(trees=8, epochs=25)


@pytest.fixture(scope="package")
def panel() -> Panel:
    return build_panel(load_bars("embedded-stocks", until="2004-12-31"))


@pytest.fixture(scope="package")
def dataset(panel: Panel) -> Dataset:
    return rated_portfolios(panel, 1500)


@pytest.fixture(scope="package")
def parts(dataset: Dataset) -> tuple[Dataset, Dataset, Dataset]:
    """Training, validation and test rows, in time order."""
    cuts = np.split(np.arange(len(dataset)), [900, 1200])
    return dataset.take(cuts[0]), dataset.take(cuts[1]), dataset.take(cuts[2])


@pytest.fixture(scope="package")
def saved(parts: tuple[Dataset, Dataset, Dataset], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("portfolio_health")
    PortfolioHealth(QUICK).fit(parts[0], parts[1]).save(directory)
    return directory


@pytest.fixture(scope="package")
def model(saved: Path) -> PortfolioHealth:
    """As it is served: read back from its files."""
    return PortfolioHealth.load(saved)
