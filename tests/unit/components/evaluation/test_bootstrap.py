"""The circular block bootstrap: its tests have the size they claim, and its intervals the coverage."""

from __future__ import annotations

import numpy as np
import pytest

from components.errors import DataRejected
from components.evaluation.bootstrap import block_indices, interval, sharpe_difference

ROUNDS = 150


def autoregressive(generator: np.random.Generator, times: int, memory: float) -> np.ndarray:
    noise = generator.standard_normal(times + 50)
    series = np.zeros(times + 50)
    for t in range(1, times + 50):
        series[t] = memory * series[t - 1] + noise[t]
    return series[50:]


def test_blocks_are_whole_run_around_the_circle_and_weigh_every_time_alike() -> None:
    drawn = np.concatenate(list(block_indices(50, 7, 4000, seed=1)))
    assert drawn.shape == (4000, 56)
    steps = (np.diff(drawn.reshape(4000, 8, 7), axis=2)) % 50
    assert set(np.unique(steps)) == {1}
    counts = np.bincount(drawn.reshape(-1), minlength=50)
    assert counts.min() > 0.93 * counts.mean()
    assert counts.max() < 1.07 * counts.mean()


def test_the_draws_do_not_depend_on_how_many_are_held_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(block_indices(60, 5, 40, seed=3)))
    monkeypatch.setattr("components.evaluation.bootstrap.CHUNK", 240)
    parts = list(block_indices(60, 5, 40, seed=3))
    assert len(parts) > 5
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_two_equal_strategies_are_told_apart_no_more_often_than_the_level() -> None:
    """b is a with leverage and other noise of the same kind: the same Sharpe ratio, another mean, fat tails, memory."""
    rejected = 0
    for seed in range(ROUNDS):
        generator = np.random.default_rng(seed)
        market = 0.01 * generator.standard_t(6, 240)
        a, b = (0.001 + market + 0.01 * autoregressive(generator, 240, 0.2) for _ in range(2))
        found = sharpe_difference(a, 1.5 * b, block=6, samples=199, seed=seed)
        assert found.p_value is not None
        rejected += found.p_value <= 0.1
    # Binomial(150, 0.1) stays below 0.18 with 99.9 %; the bootstrap's own error is allowed for with it.
    assert 0.02 <= rejected / ROUNDS <= 0.18


def test_a_better_strategy_is_told_apart() -> None:
    generator = np.random.default_rng(5)
    found = sharpe_difference(generator.normal(0.5, 1, 600), generator.normal(0, 1, 600), 5, 499, seed=5)
    assert found.p_value == pytest.approx(1 / 500)
    assert found.statistic == pytest.approx(0.5, abs=0.15)
    assert "differ significantly" in found.verdict


def test_the_statistic_is_the_difference_of_the_ratios_and_leverage_does_not_change_it() -> None:
    generator = np.random.default_rng(6)
    a, b = generator.normal(0.1, 1, 300), generator.normal(0.05, 2, 300)
    found = sharpe_difference(a, b, 5, 99, seed=1)
    assert found.statistic == pytest.approx(a.mean() / a.std() - b.mean() / b.std())
    levered = sharpe_difference(3 * a, 0.2 * b, 5, 99, seed=1)
    assert levered.statistic == pytest.approx(found.statistic)
    assert levered.p_value == found.p_value


def test_a_series_against_itself_is_not_judged() -> None:
    series = np.random.default_rng(1).standard_normal(100)
    found = sharpe_difference(series, series, 5, 99, seed=1)
    assert (found.statistic, found.p_value) == (None, None)
    assert "not defined on 100 times" in found.verdict


def test_intervals_of_a_mean_with_memory_cover_it_and_blocks_of_one_do_not() -> None:
    covered = {1: 0, 15: 0}
    for seed in range(ROUNDS):
        series = autoregressive(np.random.default_rng(seed), 300, 0.6)
        for block in covered:
            low, high = interval(lambda x: float(x.mean()), series, block, 200, seed)
            covered[block] += low <= 0 <= high
    assert covered[15] / ROUNDS >= 0.8
    assert covered[1] / ROUNDS <= 0.7


def test_columns_are_resampled_together() -> None:
    x = np.random.default_rng(2).standard_normal(200)
    pair = np.column_stack([x, 2 * x])
    low, high = interval(lambda p: float(p[:, 1].std() / p[:, 0].std()), pair, 10, 50, seed=2)
    assert low == pytest.approx(2)
    assert high == pytest.approx(2)


@pytest.mark.parametrize(("block", "samples"), [(0, 10), (60, 10), (5, 0)])
def test_blocks_that_do_not_fit_are_refused(block: int, samples: int) -> None:
    with pytest.raises(DataRejected, match=f"{samples} resamples of blocks of {block} from a series of 100"):
        interval(np.mean, np.arange(100.0), block, samples, seed=1)


def test_a_level_that_is_no_share_is_refused() -> None:
    with pytest.raises(DataRejected, match="level of the interval is 90"):
        interval(np.mean, np.arange(100.0), 5, 10, seed=1, level=90)


def test_strategies_of_other_lengths_are_refused() -> None:
    with pytest.raises(DataRejected, match=r"\(100,\) and \(99,\)"):
        sharpe_difference(np.ones(100), np.ones(99), 5, 10, seed=1)
