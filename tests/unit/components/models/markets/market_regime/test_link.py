"""The link of evidence and regimes, and its temperature."""

import numpy as np
import pytest

from components.models.markets.market_regime.link import RegimeLink, fit_link, fit_temperature


def evidence(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, 2)) * [1.0, 5.0] + [0.0, 30.0]
    scores = np.column_stack([1.5 * x[:, 0], np.zeros(rows), -1.0 * x[:, 0]])
    shares = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    regime = (rng.random((rows, 1)) > shares.cumsum(axis=1)).sum(axis=1)
    return x, regime, shares


def test_with_much_evidence_it_finds_the_true_probabilities() -> None:
    x, regime, shares = evidence(20_000, 1)
    link = fit_link(x, regime, spells=20_000, prior=5.0)
    inside = np.abs(x[:, 0]) < 2
    assert np.abs(link.probabilities(x) - shares)[inside].mean() < 0.02


def test_with_few_spells_it_hardly_leaves_the_frequencies() -> None:
    x, regime, _ = evidence(5000, 1)
    sure, unsure = (fit_link(x, regime, spells, 0.5) for spells in (5000, 3))
    assert np.abs(unsure.slope).max() < 0.5 * np.abs(sure.slope).max()


def test_a_regime_that_never_came_keeps_a_probability() -> None:
    x, regime, _ = evidence(3000, 2)
    kept = regime != 2
    link = fit_link(x[kept], regime[kept], spells=40, prior=0.5)
    assert link.probabilities(x)[:, 2].min() > 0
    assert link.probabilities(x)[:, 2].mean() == pytest.approx(1 / 43, abs=0.02)


def test_an_overconfident_link_is_warmed() -> None:
    x, regime, _ = evidence(4000, 3)
    link = fit_link(x, regime, spells=4000, prior=5.0)
    assert fit_temperature(3 * link.scores(x), regime, 4000, 1.0) == pytest.approx(3, rel=0.1)
    assert fit_temperature(link.scores(x), regime, 4000, 1.0) == pytest.approx(1, rel=0.1)


def test_what_lies_beyond_training_counts_as_its_edge() -> None:
    link = RegimeLink(np.zeros(1), np.ones(1), np.array([[1.0, 0.0, -1.0]]), np.zeros(3))
    np.testing.assert_array_equal(link.probabilities(np.array([[50.0]])), link.probabilities(np.array([[3.0]])))
