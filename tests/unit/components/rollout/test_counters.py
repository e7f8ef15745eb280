"""Counts from raw samples: restarts, double scrapes, odd grids, thinning."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.rollout.targets.counters import Series, by_bucket, expand, rise, rises
from components.rollout.targets.prometheus import _latencies, _predictions


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=30))
def test_a_rise_is_what_was_counted_between_the_scrapes_whatever_restarts(steps: list[tuple[int, bool]]) -> None:
    value, seen, samples = 7, 0, [(0.0, 7.0)]
    for i, (count, restarted) in enumerate(steps, 1):
        if restarted and count < value:
            value = 0  # a restart that a scrape can notice: the new count is below the old one
        value += count
        seen += count
        samples.append((15.0 * i, float(value)))
    assert rise(samples) == seen


@pytest.mark.parametrize("samples", [[], [(0.0, 9.0)]])
def test_fewer_than_two_samples_know_nothing(samples: list[tuple[float, float]]) -> None:
    assert rise(samples) == 0


def test_a_pod_counts_once_and_pods_count_apart() -> None:
    full, short = ((0.0, 0.0), (15.0, 4.0), (30.0, 9.0)), ((1.0, 0.0), (16.0, 4.0))
    series = [
        Series({"pod": "a", "job": "x", "code": "200"}, short),
        Series({"pod": "a", "job": "y", "code": "200"}, full),
        Series({"instance": "b:8080", "code": "200"}, short),
    ]
    assert rises(series, "code") == {("", "a"): {"200": 9}, ("", "b:8080"): {"200": 4}}


def test_pods_with_different_buckets_add_up() -> None:
    old, new = {"0.1": 3, "+Inf": 4}, {"0.1": 3, "0.2": 5, "+Inf": 5}
    assert Counter(_latencies([old, new])) == {100.0: 6, 200.0: 2, 1000.0: 1}


def test_predictions_stand_in_the_middle_of_their_steps_and_beyond_half_a_step_out() -> None:
    sample, outside = _predictions([{"1.0": 1, "2.0": 3, "3.0": 3, "+Inf": 4}])
    assert sample == (0.5, 1.5, 1.5, 3.5)
    assert outside == 0.5
    assert _predictions([]) == ((), 0.0)


def test_buckets_out_of_order_never_count_below_nothing() -> None:
    assert by_bucket({"1.0": 5, "2.0": 4, "+Inf": 6}) == [(1.0, 5), (2.0, 0), (float("inf"), 2)]


@given(st.dictionaries(st.floats(0, 1), st.integers(0, 3000), max_size=8))
def test_a_thinned_sample_keeps_its_shape(counts: dict[float, int]) -> None:
    sample, total = expand(counts, 500), sum(counts.values())
    assert len(sample) == min(500, total)
    assert list(sample) == sorted(sample)
    for value, count in Counter(sample).items():
        assert abs(count / len(sample) - counts[value] / total) <= 1.01 / len(sample)
