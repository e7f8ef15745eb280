"""Crises: found where they are, replayed as they were."""

import numpy as np
import pytest

from components.finance.scenarios import CRISES, crisis_window, through_beta, worst_fall, worst_windows


def test_the_worst_fall_runs_from_its_peak_to_its_trough() -> None:
    assert worst_fall([1, 3, 2.5, 3.2, 1.6, 2, 1.9]) == (3, 4)
    assert worst_fall([1, 2, 3]) == (0, 0)


def test_a_crisis_is_looked_for_within_its_calendar() -> None:
    times = np.arange("2019-06-01", "2021-01-01", dtype="datetime64[D]")
    level = np.full(len(times), 100.0)
    level[times < np.datetime64("2019-08-01")] = 400  # an earlier and deeper fall
    fall = (times >= np.datetime64("2020-02-20")) & (times <= np.datetime64("2020-03-23"))
    level[fall] = np.linspace(99, 60, fall.sum())
    window = crisis_window(times, level, CRISES["2020_covid_crash"])
    assert window is not None
    assert level[window[0]] == 100
    assert str(times[window[1]]) == "2020-03-23"


def test_a_crisis_that_the_data_do_not_cover_is_not_found() -> None:
    times = np.arange("2020-02-01", "2021-01-01", dtype="datetime64[D]")
    assert crisis_window(times, np.ones(len(times)), CRISES["2020_covid_crash"]) is None


def test_gearing_never_loses_more_than_all() -> None:
    geared = through_beta([0.0, 1.0, 2.0, 5.0], -0.5)
    assert geared == pytest.approx([0.0, -0.5, -0.75, -1 + 0.5**5])


def test_the_worst_window_of_each_column() -> None:
    returns = np.array([[0.1, -0.1], [-0.2, 0.0], [-0.1, 0.3], [0.1, -0.3]])
    worst, start = worst_windows(returns, 2)
    assert worst == pytest.approx([0.8 * 0.9 - 1, 0.9 - 1])
    assert start.tolist() == [1, 0]
