"""The served model, whatever its portfolio: more concentration, volatility, drawdown or beta never raises a score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.dataset import Dataset
from components.models.contract import FloatArray
from components.models.portfolio.portfolio_health.columns import (
    FEATURES,
    INDEX,
    NAMES,
    NEVER_LOWER,
    NEVER_RAISE,
    SIGNS,
    matrix,
)
from components.models.portfolio.portfolio_health.model import PortfolioHealth
from components.models.portfolio.portfolio_health.params import Params
from components.models.portfolio.portfolio_health.rubric import rate, score

SINGLE_PRECISION = 1e-4
"""Points that rounding may move a score by."""
LOW = np.array([c.minimum for c in FEATURES], dtype=np.float64)
HIGH = np.array([c.maximum for c in FEATURES], dtype=np.float64)


def pairs(base: FloatArray, column: int, share: float) -> FloatArray:
    """Each row, and itself with one column moved up by a share of the way to its bound."""
    raised = base.copy()
    raised[:, column] += share * (HIGH[column] - base[:, column])
    return np.concatenate([base, raised])


def assert_signed(model: PortfolioHealth, base: FloatArray, column: int, share: float) -> None:
    outputs = model.predict({"features": pairs(base, column, share)})
    for name in ("health_score", "components"):
        before, after = np.split(outputs[name], 2)
        worst = float((SIGNS[column] * (after - before)).min())
        assert worst >= -SINGLE_PRECISION, f"{name} moved {worst:g} points against the sign of {NAMES[column]}"


@pytest.mark.parametrize("name", [*NEVER_RAISE, *NEVER_LOWER])
@pytest.mark.parametrize("share", [0.001, 0.03, 0.3, 1.0])
def test_real_portfolios_follow_every_sign(
    model: PortfolioHealth, parts: tuple[Dataset, Dataset, Dataset], name: str, share: float
) -> None:
    assert_signed(model, parts[2].inputs["features"][:100], INDEX[name], share)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    row=st.lists(st.floats(0, 1), min_size=len(FEATURES), max_size=len(FEATURES)),
    name=st.sampled_from([*NEVER_RAISE, *NEVER_LOWER]),
    share=st.floats(1e-6, 1),
)
def test_impossible_portfolios_follow_every_sign_too(
    model: PortfolioHealth, row: list[float], name: str, share: float
) -> None:
    """Anywhere within the bounds, though no investor is 3 years old with 9,000 holdings in no sector."""
    assert_signed(model, (LOW + np.array(row) * (HIGH - LOW))[None], INDEX[name], share)


def test_the_signs_are_at_work(model: PortfolioHealth, parts: tuple[Dataset, Dataset, Dataset]) -> None:
    """A model that answers a constant is monotone too: each signed column must matter to some portfolio."""
    base = parts[2].inputs["features"][:200]
    for name in ("herfindahl_index", "sector_concentration_1", "volatility", "max_drawdown", "num_sectors"):
        before, after = np.split(model.predict({"features": pairs(base, INDEX[name], 0.2)})["health_score"], 2)
        assert np.abs(after - before).max() > 0.5, name


def test_the_members_keep_the_signs_against_labels_that_break_them() -> None:
    """By construction, not by data: trained on labels that rise with concentration, neither member lets it rise."""
    from components.models.portfolio.portfolio_health.forest import Forest
    from components.models.portfolio.portfolio_health.network import Network

    rng = np.random.default_rng(3)
    x = LOW + rng.random((400, len(FEATURES))) * (HIGH - LOW)
    wrong = 100 * (x[:, INDEX["herfindahl_index"]] + x[:, INDEX["volatility"]] / 300) / 2
    data = Dataset(
        {"features": x},
        {"rating": np.repeat(wrong[:, None], 5, axis=1)},
        np.arange(400).astype("datetime64[ns]"),
        np.arange(400).astype("datetime64[ns]"),
        np.array([str(i) for i in range(400)], dtype=object),
    )
    for kind in (Forest, Network):
        member = kind(Params(trees=4, epochs=10)).fit(data, data)
        for name in ("herfindahl_index", "volatility"):
            before, after = np.split(member._predict(matrix(pairs(x[:100], INDEX[name], 0.3))), 2)
            assert (after - before).max() <= SINGLE_PRECISION, (kind.__name__, name)


@pytest.mark.parametrize("name", [*NEVER_RAISE, *NEVER_LOWER])
def test_the_rubric_breaks_no_sign(dataset: Dataset, name: str) -> None:
    base = dataset.inputs["features"][:300]
    before, after = np.split(score(pairs(base, INDEX[name], 0.05)), 2)
    assert (SIGNS[INDEX[name]] * (after - before)).min() >= -1e-9


def test_raters_agree_with_their_panel_but_for_noise(dataset: Dataset) -> None:
    """Three ratings of standard deviation 4 (and habits) around nine raters' mean: near 3 points, without a bias."""
    rated = rate(dataset.inputs["features"], 5)
    gap = rated.components - rated.agreed
    assert np.abs(gap.mean(axis=0)).max() < 0.6
    assert 2 < gap.std() < 6
