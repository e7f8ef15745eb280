"""Shrinkage helps where the truth is known, the nearest correlation matrix is Higham's, and singular ones are told."""

from __future__ import annotations

import numpy as np
import pytest
from skfolio.moments import LedoitWolf

from components.errors import DataRejected
from components.finance.covariance import conditioning, correlation_of, nearest_correlation, shrink


def sample(times: int, size: int, seed: int, correlation: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    deviation = generator.uniform(0.008, 0.03, size)
    truth = np.full((size, size), correlation) + (1 - correlation) * np.eye(size)
    truth *= np.outer(deviation, deviation)
    return generator.multivariate_normal(np.zeros(size), truth, times), truth


def test_the_identity_target_is_scikit_learn_s_ledoit_wolf() -> None:
    returns, _ = sample(120, 25, seed=1)
    np.testing.assert_allclose(
        shrink(returns, "identity").covariance, LedoitWolf().fit(returns).covariance_, rtol=1e-10
    )


@pytest.mark.parametrize("target", ["constant_correlation", "identity"])
def test_shrinking_is_nearer_to_the_truth_than_the_sample(target: str) -> None:
    errors = []
    for seed in range(20):
        returns, truth = sample(60, 30, seed, correlation=0.1)
        plain = np.cov(returns.T, bias=True)
        found = shrink(returns, target).covariance  # type: ignore[arg-type]
        errors.append(np.linalg.norm(found - truth) / np.linalg.norm(plain - truth))
    assert np.mean(errors) < 0.9


def test_the_intensity_falls_with_the_length_of_the_history() -> None:
    generator = np.random.default_rng(2)
    mixing = generator.standard_normal((10, 10))
    intensities = [shrink(generator.standard_normal((times, 10)) @ mixing).intensity for times in (30, 300, 3000)]
    assert 1 >= intensities[0] > intensities[1] > intensities[2] >= 0


def test_variances_stay_under_the_constant_correlation_target() -> None:
    returns, _ = sample(100, 8, seed=3)
    np.testing.assert_allclose(np.diag(shrink(returns).covariance), returns.var(axis=0))


@pytest.mark.parametrize("target", ["constant_correlation", "identity"])
def test_more_securities_than_days_can_be_inverted(target: str) -> None:
    returns, _ = sample(20, 50, seed=4)
    assert conditioning(np.cov(returns.T)).singular
    assert not conditioning(shrink(returns, target).covariance).singular  # type: ignore[arg-type]


def test_identical_columns_are_singular_until_they_are_shrunk() -> None:
    returns, _ = sample(200, 4, seed=5)
    doubled = np.column_stack([returns, returns[:, 0]])
    before, after = conditioning(np.cov(doubled.T)), conditioning(shrink(doubled).covariance)
    assert before.singular
    assert abs(before.smallest_eigenvalue) < 1e-10
    assert not after.singular
    assert after.smallest_eigenvalue > 1e-4


def test_a_security_that_does_not_move_is_named() -> None:
    found = conditioning(np.diag([1.0, 0.0, 2.0]))
    assert found.singular
    assert found.constant == (1,)


def test_units_do_not_make_a_matrix_singular() -> None:
    assert not conditioning(np.diag([1e-12, 1e12])).singular


def test_one_security_keeps_its_variance() -> None:
    returns = np.array([[0.01], [-0.01], [0.02]])
    assert shrink(returns).covariance == pytest.approx(returns.var())


def test_the_nearest_correlation_matrix_is_that_of_higham_s_paper() -> None:
    given = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1.0]])
    want = np.array([[1, 0.7607, 0.1573], [0.7607, 1, 0.7607], [0.1573, 0.7607, 1]])
    np.testing.assert_allclose(nearest_correlation(given), want, atol=1e-4)


def test_a_correlation_matrix_is_its_own_nearest() -> None:
    returns, _ = sample(200, 6, seed=6)
    given = correlation_of(np.cov(returns.T))
    np.testing.assert_allclose(nearest_correlation(given), given, atol=1e-8)


def test_the_nearest_is_a_correlation_matrix_and_no_perturbation_of_it_is_nearer() -> None:
    generator = np.random.default_rng(7)
    wild = generator.uniform(-1, 1, (7, 7))
    given = (wild + wild.T) / 2
    np.fill_diagonal(given, 1)
    found = nearest_correlation(given)
    np.testing.assert_allclose(np.diag(found), 1)
    assert np.linalg.eigvalsh(found)[0] > 0
    distance = np.linalg.norm(found - given)
    for _ in range(200):
        factor = np.linalg.cholesky(found) + 0.05 * generator.standard_normal((7, 7))
        other = correlation_of(factor @ factor.T)
        assert np.linalg.norm(other - given) > distance - 1e-6


@pytest.mark.parametrize("bad", [np.ones((2, 3)), np.array([[1.0, np.nan], [np.nan, 1.0]])])
def test_what_is_no_matrix_of_correlations_is_refused(bad: np.ndarray) -> None:
    with pytest.raises(DataRejected, match="not square, or has values that are not finite"):
        nearest_correlation(bad)


@pytest.mark.parametrize("bad", [np.ones((1, 3)), np.full((5, 2), np.nan), np.ones(5)])
def test_returns_that_give_no_covariance_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(DataRejected, match="give no covariance"):
        shrink(bad)
