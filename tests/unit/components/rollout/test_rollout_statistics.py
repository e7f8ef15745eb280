"""The judge's statistics against slow oracles and known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, fisher_exact, ks_2samp

from components.rollout.statistics import (
    binomial_bounds,
    distance_margin,
    excess_p_value,
    moved_share,
    quantile_bounds,
)

samples = st.lists(st.floats(-5, 5, allow_nan=False), min_size=1, max_size=40)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 50), (50, 50), (7, 200)])
def test_binomial_bounds_are_clopper_pearson(k: int, n: int) -> None:
    low, high = binomial_bounds(k, n, 0.025)
    want = binomtest(k, n).proportion_ci(0.95, "exact")
    assert (low, high) == pytest.approx((want.low, want.high), abs=1e-12)


def test_nothing_is_known_without_trials() -> None:
    assert binomial_bounds(0, 0, 0.05) == (0.0, 1.0)


@given(st.integers(0, 30), st.integers(0, 70), st.integers(0, 30), st.integers(1, 70))
def test_excess_p_value_is_fishers(bad: int, good: int, base_bad: int, base_good: int) -> None:
    got = excess_p_value(bad, bad + good, base_bad, base_bad + base_good)
    want = fisher_exact([[bad, good], [base_bad, base_good]], alternative="greater").pvalue
    assert got == pytest.approx(want, abs=1e-9)


@given(samples, samples)
def test_without_tolerance_it_is_the_usual_distance(a: list[float], b: list[float]) -> None:
    assert moved_share(a, b) == pytest.approx(ks_2samp(a, b).statistic, abs=1e-12)


@given(samples, samples, st.floats(0, 3))
def test_moved_share_is_the_supremum_over_a_fine_grid(a: list[float], b: list[float], tolerance: float) -> None:
    grid = np.concatenate([a, b, np.subtract(a, tolerance), np.subtract(b, tolerance)])

    def cdf(sample: list[float], x: float) -> float:
        return float(np.mean(np.asarray(sample) <= x))

    gaps = [max(cdf(a, x) - cdf(b, x + tolerance), cdf(b, x) - cdf(a, x + tolerance)) for x in grid]
    assert moved_share(a, b, tolerance) == pytest.approx(max(0.0, *gaps), abs=1e-12)


@given(samples, st.floats(-3, 3))
def test_a_common_shift_up_to_the_tolerance_is_forgiven(a: list[float], shift: float) -> None:
    moved = [x + shift for x in a]
    assert moved_share(a, moved, abs(shift) + 1e-9) == 0.0


def test_moved_share_counts_what_moved() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(0, 0.01, 5000)
    b = np.where(rng.random(5000) < 0.4, a + 1.0, a)
    assert moved_share(a, b, 0.5) == pytest.approx(0.4, abs=0.03)


def test_quantile_bounds_cover_as_promised() -> None:
    rng = np.random.default_rng(3)
    truth, missed_low, missed_high = math.log(20.0), 0, 0
    for _ in range(2000):
        low, high = quantile_bounds(np.sort(rng.exponential(1.0, 200)).tolist(), 0.95, 0.05)
        missed_low += low > truth
        missed_high += high < truth
    assert max(missed_low, missed_high) <= 0.05 * 2000 + 3 * math.sqrt(2000 * 0.05 * 0.95)
    assert min(missed_low, missed_high) > 20  # and no wider than order statistics have to be


def test_a_small_sample_bounds_no_quantile() -> None:
    assert quantile_bounds([1.0] * 20, 0.95, 0.05)[1] == math.inf
    assert quantile_bounds([], 0.95, 0.05) == (-math.inf, math.inf)


def test_the_distance_band_covers_as_promised() -> None:
    rng = np.random.default_rng(5)
    margin = distance_margin(120, 400, 0.05)
    beyond = sum(moved_share(rng.random(120), rng.random(400)) > margin for _ in range(1000))
    assert beyond <= 50 + 3 * math.sqrt(1000 * 0.05 * 0.95)
