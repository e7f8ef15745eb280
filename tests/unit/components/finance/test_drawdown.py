"""Drawdowns and recoveries, against paths whose answers can be read off."""

import numpy as np
import pytest

from components.finance.drawdown import drawdown, max_drawdown, recovery_times, survival


def test_drawdown_is_the_loss_from_the_peak() -> None:
    np.testing.assert_allclose(drawdown(np.array([1.0, 2.0, 1.0, 1.5, 3.0])), [0, 0, 0.5, 0.25, 0])


def test_max_drawdown_counts_the_start_as_a_peak() -> None:
    wealth = np.array([[0.9, 1.1], [1.2, 1.0], [0.6, 1.3]])
    np.testing.assert_allclose(max_drawdown(wealth), [0.5, 1 - 1 / 1.1])
    rng = np.random.default_rng(2)
    paths = np.cumprod(1 + rng.normal(0, 0.02, (80, 20)), axis=0)
    slow = [drawdown(np.concatenate([[1.0], path])).max() for path in paths.T]
    np.testing.assert_allclose(max_drawdown(paths), slow)


def test_recoveries_are_counted_from_the_depth_to_the_old_peak() -> None:
    values = [10, 9.5, 8.9, 8, 9, 10, 11, 9, 8, 12, 10]
    durations, observed = recovery_times(values, 0.1)
    assert durations.tolist() == [3, 2, 0]
    assert observed.tolist() == [True, True, False]
    assert recovery_times(values, 0.5)[0].tolist() == []


def test_recoveries_equal_the_slow_walk() -> None:
    values = np.cumprod(1 + np.random.default_rng(3).normal(0.0004, 0.02, 3000))
    fallen = drawdown(values)
    start, wanted = -1, []
    for i, loss in enumerate(fallen):
        if start < 0 and loss >= 0.07:
            start = i
        elif start >= 0 and loss <= 0:
            wanted.append(i - start)
            start = -1
    durations, observed = recovery_times(values, 0.07)
    assert durations[observed].tolist() == wanted
    assert (~observed).sum() == (start >= 0)


def test_survival_is_kaplan_meiers() -> None:
    # By hand: of 5, one ends at 2 (4/5), one is lost from sight at 3, one of the 3 left ends at 4 (2/3).
    at = survival([2, 3, 4, 6, 6], [True, False, True, False, False], [0, 2, 3.9, 4, 9])
    np.testing.assert_allclose(at, [1, 0.8, 0.8, 0.8 * 2 / 3, 0.8 * 2 / 3])


def test_survival_recovers_the_truth_from_censored_times() -> None:
    rng = np.random.default_rng(4)
    lives, watched = rng.exponential(10, 20_000), rng.exponential(20, 20_000)
    told = survival(np.minimum(lives, watched), lives <= watched, [5, 10, 20])
    np.testing.assert_allclose(told, np.exp([-0.5, -1, -2]), atol=0.02)
    assert survival([], [], [1.0]) == pytest.approx([1.0])
