"""Ex-post dates, and when they became certain."""

import numpy as np
import pytest

from components.models.markets.market_regime.dating import BEAR, BULL, QUARTER, SIDEWAYS, date_regimes


def straight(*legs: tuple[float, int]) -> np.ndarray:
    """Return a price that goes from 100 by each leg's factor in its number of days."""
    path = [0.0]
    for factor, days in legs:
        path += [path[-1] + np.log(factor) * (i + 1) / days for i in range(days)]
    prices: np.ndarray = 100 * np.exp(np.array(path))
    return prices


def test_a_fifth_down_and_a_quarter_up_are_a_bear_and_a_bull_market() -> None:
    regime, _ = date_regimes(straight((1.5, 50), (0.7, 40), (1.6, 60)))
    assert (regime[:51] == BULL).all()
    assert (regime[51:91] == BEAR).all()
    assert (regime[91:150] == BULL).all()


def test_a_fall_of_less_than_a_fifth_is_no_bear_market() -> None:
    regime, _ = date_regimes(straight((1.5, 50), (0.82, 40), (1.6, 60)))
    assert BEAR not in regime


def test_more_than_a_quarter_without_a_new_high_is_sideways() -> None:
    low = straight((1.5, 50), (0.95, QUARTER), (1.6, 60))
    regime, _ = date_regimes(low)
    recovered = int(np.flatnonzero(low[51:] > low[50])[0]) + 51
    assert (regime[51:recovered] == SIDEWAYS).all()
    assert regime[50] == regime[recovered] == BULL


def test_a_short_rest_is_not_sideways() -> None:
    regime, _ = date_regimes(straight((1.5, 50), (0.95, 20), (1.6, 60)))
    assert SIDEWAYS not in regime


def test_a_day_is_certain_at_the_next_new_high_or_at_the_turn() -> None:
    close = straight((1.5, 50), (0.7, 40), (1.6, 60))
    _, certain = date_regimes(close)
    turned = int(np.flatnonzero(close[51:] <= 0.8 * close[50])[0]) + 51
    assert certain[30] == 31
    assert certain[50] == certain[55] == turned
    assert certain[-1] == len(close), "what the last day was is open"


@pytest.mark.parametrize("seed", range(6))
def test_what_was_certain_then_never_changes(seed: int) -> None:
    close = 100 * np.exp(np.cumsum(0.02 * np.random.default_rng(seed).standard_normal(900)))
    regime, certain = date_regimes(close)
    assert (certain > np.arange(len(close))).all()
    for cut in (300, 555, 801):
        before, known = date_regimes(close[:cut])
        settled = certain < cut
        assert settled[:cut].any()
        np.testing.assert_array_equal(known < cut, settled[:cut])
        np.testing.assert_array_equal(before[settled[:cut]], regime[settled])


def test_a_market_that_never_moved_a_fifth_has_no_dates() -> None:
    regime, certain = date_regimes(straight((1.05, 100)))
    assert (regime == -1).all()
    assert (certain == len(regime)).all()
