"""The expected best of many trials without skill, against simulation."""

from __future__ import annotations

import numpy as np
import pytest

from components.tuning.deflation import deflate, expected_maximum


@pytest.mark.parametrize("trials", [2, 5, 12, 50, 200])
def test_the_formula_against_simulated_maxima(trials: int) -> None:
    draws = np.random.default_rng(7).standard_normal((40_000, trials)).max(axis=1)
    # Their approximation is asymptotic: a few percent off for few trials.
    assert expected_maximum(trials) == pytest.approx(draws.mean(), rel=0.08)


def test_one_trial_is_no_choice_and_none_is_an_error() -> None:
    assert expected_maximum(1) == 0.0
    with pytest.raises(ValueError, match="0 trials"):
        expected_maximum(0)


def test_luck_alone_survives_rarely_and_rarely_is_what_luck_does() -> None:
    """Trials whose gains are noise: the expected gain matches the mean best gain, and about half of them exceed it."""
    rng = np.random.default_rng(7)
    default = np.ones(8)
    found = [deflate(default, 1 + 0.1 * rng.standard_normal((12, 8))) for _ in range(400)]
    assert np.mean([d.expected_gain for d in found]) == pytest.approx(np.mean([d.gain for d in found]), rel=0.08)


def test_a_real_gain_survives() -> None:
    rng = np.random.default_rng(7)
    losses = 1 + 0.02 * rng.standard_normal((12, 8))
    losses[3] -= 0.2
    told = deflate(np.ones(8), losses)
    assert told.survives
    assert told.trials == 12
    assert told.gain == pytest.approx(0.2, abs=0.05)
    assert told.score == pytest.approx(1 - told.gain + told.expected_gain)


def test_what_is_hard_for_all_cancels() -> None:
    default = np.array([0.5, 3.0, 0.2, 9.0])
    told = deflate(default, [default - 0.01, default - 0.02])
    assert told.expected_gain == pytest.approx(0.0, abs=1e-12)
    assert told.survives


def test_no_gain_does_not_survive() -> None:
    told = deflate([1.0, 1.0], [[1.1, 1.2], [1.3, 1.0]])
    assert told.gain < 0
    assert not told.survives


@pytest.mark.parametrize("trials", [[[1.0]], [[1.0, 2.0, 3.0]], []])
def test_blocks_must_match(trials: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="do not match"):
        deflate([1.0, 2.0], trials)
