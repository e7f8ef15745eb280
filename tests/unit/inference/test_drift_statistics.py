"""The drift statistics against independent oracles, and their error rates by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from inference.drift.ks import holm, ks_critical, ks_distance, ks_p_value, ks_test
from inference.drift.mmd import mmd_squared, mmd_test, rbf_kernel
from inference.drift.power import ks_power, minimum_rows
from inference.drift.psi import psi, psi_test


def test_ks_distance_equals_scipy_even_with_ties() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        x, y = rng.integers(0, 12, 90).astype(float), rng.integers(1, 13, 40).astype(float)
        assert ks_distance(x, y) == pytest.approx(stats.ks_2samp(x, y).statistic)


def test_ks_p_value_is_close_to_the_exact_one() -> None:
    rng = np.random.default_rng(2)
    for shift in (0.0, 0.2, 0.4):
        x, y = rng.normal(size=400), rng.normal(shift, size=120)
        exact = stats.ks_2samp(x, y, method="exact")
        assert ks_p_value(float(exact.statistic), 120, 400) == pytest.approx(float(exact.pvalue), rel=0.15, abs=2e-3)


def test_critical_distance_inverts_the_p_value() -> None:
    assert ks_p_value(ks_critical(0.01, 80, 700), 80, 700) == pytest.approx(0.01)


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03])).tolist() == pytest.approx([0.03, 0.06, 0.06])
    assert holm(np.array([0.5, 0.9])).max() == 1.0


def test_psi_by_hand_and_zero_without_change() -> None:
    reference = np.arange(1000.0)
    assert psi(reference, reference)[0] == pytest.approx(0.0, abs=1e-9)
    index, bins = psi(np.repeat([0.0, 1.0], 500), np.repeat([0.0, 1.0], [100, 300]), bins=2)
    q, p = np.array([500.5, 500.5]) / 1001, np.array([100.5, 300.5]) / 401
    assert bins == 2
    assert index == pytest.approx(float(np.sum((p - q) * np.log(p / q))))


def test_psi_of_a_small_window_needs_more_than_the_rule_of_thumb() -> None:
    rng = np.random.default_rng(3)
    reference = rng.normal(size=(1000, 1))
    alarms = [psi_test(reference, rng.normal(size=(40, 1)), ("x",), 0.05)[0] for _ in range(200)]
    assert sum(r.statistic > 0.2 for r in alarms) > 40, "the rule alone alarms all the time at this size"
    assert np.mean([r.drift for r in alarms]) <= 0.1


def test_mmd_squared_equals_the_definition() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(12, 2)), rng.normal(1, 1, size=(9, 2))
    kernel = rbf_kernel(np.concatenate([x, y]))
    members = np.concatenate([np.ones((12, 1)), np.zeros((9, 1))])
    first = sum(kernel[i, j] for i in range(12) for j in range(12) if i != j) / (12 * 11)
    second = sum(kernel[i, j] for i in range(12, 21) for j in range(12, 21) if i != j) / (9 * 8)
    across = sum(kernel[i, j] for i in range(12) for j in range(12, 21)) / (12 * 9)
    assert mmd_squared(kernel, members)[0] == pytest.approx(first + second - 2 * across)


def test_mmd_sees_a_broken_dependence_that_no_column_shows() -> None:
    rng = np.random.default_rng(5)
    covariance = [[1.0, 0.95], [0.95, 1.0]]
    reference, window = rng.multivariate_normal([0, 0], covariance, 500), rng.normal(size=(200, 2))
    columns = ("x", "y")
    assert not any(r.drift for r in ks_test(reference, window, columns, 0.05))
    assert mmd_test(reference, window, columns, 0.05)[0].drift
    assert not mmd_test(reference, rng.multivariate_normal([0, 0], covariance, 200), columns, 0.05)[0].drift


def test_false_alarm_rate_is_at_most_alpha() -> None:
    rng = np.random.default_rng(6)
    columns = tuple("abcdef")
    alarms = [
        any(r.drift for r in ks_test(rng.normal(size=(500, 6)), rng.normal(size=(100, 6)), columns, 0.05))
        for _ in range(600)
    ]
    assert np.mean(alarms) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600)
    assert np.mean(alarms) > 0.01, "a test that never alarms has no power either"


@pytest.mark.parametrize("shape", ["two_points", "normal"])
def test_the_minimum_reaches_the_wanted_power(shape: str) -> None:
    effect, alpha, power, columns, reference_rows = 0.25, 0.025, 0.9, 6, 1000
    rows = minimum_rows(reference_rows, columns, alpha, power, effect)
    assert rows is not None
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(300):
        if shape == "normal":  # sup |Phi(x) - Phi(x - s)| = 2 Phi(s / 2) - 1
            x, y = rng.normal(size=reference_rows), rng.normal(2 * stats.norm.ppf((1 + effect) / 2), 1, size=rows)
        else:  # the least favourable case: only one point tells the samples apart
            half = (1 - effect) / 2
            x = rng.uniform(0, 1, reference_rows) + (rng.random(reference_rows) < half)
            y = rng.uniform(0, 1, rows) + (rng.random(rows) < half + effect)
        hits += ks_p_value(ks_distance(x, y), rows, reference_rows) <= alpha / columns
    assert hits / 300 >= power - 3 * np.sqrt(power * (1 - power) / 300)


def test_the_minimum_is_the_smallest_and_grows_with_what_is_asked() -> None:
    rows = minimum_rows(1000, 6, 0.05, 0.9, 0.25)
    assert rows is not None
    level = 0.05 / 6
    assert ks_power(rows, 1000, 0.25, level) >= 0.9 > ks_power(rows - 1, 1000, 0.25, level)
    smaller_effect, more_power, more_columns = (
        minimum_rows(1000, 6, 0.05, 0.9, 0.2),
        minimum_rows(1000, 6, 0.05, 0.99, 0.25),
        minimum_rows(1000, 60, 0.05, 0.9, 0.25),
    )
    assert all(n is not None and n > rows for n in (smaller_effect, more_power, more_columns))


def test_a_reference_that_is_too_small_has_no_minimum() -> None:
    assert minimum_rows(60, 6, 0.05, 0.9, 0.25) is None
    assert minimum_rows(1, 1, 0.05, 0.9, 0.9) is None


def test_mmd_does_not_take_alternating_securities_for_drift() -> None:
    """Rows of two securities alternate in time order: the reference's subsample must hold both."""
    rng = np.random.default_rng(5)
    reference = rng.normal(size=(1000, 2)) + np.tile([[0.0, 0.0], [3.0, 3.0]], (500, 1))
    window = reference[rng.permutation(1000)[:200]]
    assert not mmd_test(reference, window, ("a", "b"), 0.05)[0].drift
