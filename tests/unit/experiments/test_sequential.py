"""Validity is a claim, so it is tested as one: looking all the time, on data without and with an effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from scipy.stats import ttest_ind

from components.experiments.sequential import (
    LEAST_USERS,
    best_rho,
    boundary,
    difference,
    log_e_value,
    sequential_test,
)
from components.experiments.users import Observations, Sample, Users, Vector, linearised, per_user

ALPHA, SIMULATIONS, USERS = 0.05, 1500, 4000
Draw = Callable[[np.random.Generator, tuple[int, int]], Vector]

SHAPES: dict[str, Draw] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "a rate of 5 %": lambda rng, size: (rng.random(size) < 0.05).astype(float),
    "log-normal, skewness 33": lambda rng, size: rng.lognormal(0, 1.5, size),
}


@dataclass
class Paths:
    """What would have been concluded at some look, in each simulation."""

    sequential: float
    naive: float
    missed: float


def watch(draw: Draw, effect: float = 0.0, share: float = 0.5, seed: int = 1, looks: int = 60) -> Paths:
    """Look ``looks`` times at each of many experiments; users come one by one."""
    rng = np.random.default_rng(seed)
    size = (SIMULATIONS, USERS)
    treated = rng.random(size) < share
    values = draw(rng, size) + effect * treated
    squares = np.cumsum(values**2, axis=1), np.cumsum(values**2 * treated, axis=1)
    sums, counts = (np.cumsum(values, axis=1), np.cumsum(values * treated, axis=1)), np.cumsum(treated, axis=1)
    rho = best_rho(USERS, ALPHA)
    crossed, naive, missed = (np.zeros(SIMULATIONS, dtype=bool) for _ in range(3))
    for look in np.unique(np.linspace(2 * LEAST_USERS, USERS, looks).astype(int)) - 1:
        many, few = counts[:, look], look + 1 - counts[:, look]
        means = sums[1][:, look] / many, (sums[0][:, look] - sums[1][:, look]) / few
        spread = (squares[1][:, look] / many - means[0] ** 2) / (many - 1)
        spread += ((squares[0][:, look] - squares[1][:, look]) / few - means[1] ** 2) / (few - 1)
        error, found = np.sqrt(spread), means[0] - means[1]
        speaks = np.minimum(many, few) >= LEAST_USERS
        edge = float(boundary(look + 1.0, ALPHA, rho))
        crossed |= speaks & (np.abs(found) > edge * error)
        naive |= speaks & (np.abs(found) > 1.96 * error)
        missed |= speaks & (np.abs(found - effect) > edge * error)
    return Paths(crossed.mean(), naive.mean(), missed.mean())


def monte_carlo(p: float) -> float:
    return 3 * float(np.sqrt(p * (1 - p) / SIMULATIONS))


@pytest.mark.parametrize("shape", list(SHAPES))
def test_looking_all_the_time_keeps_the_error_where_a_t_test_loses_it(shape: str) -> None:
    paths = watch(SHAPES[shape])
    assert paths.sequential <= ALPHA + monte_carlo(ALPHA)
    assert paths.naive > 0.2, "the naive test should be badly wrong here, or this test shows nothing"


def test_an_uneven_split_keeps_the_error_too() -> None:
    assert watch(SHAPES["normal"], share=0.1).sequential <= ALPHA + monte_carlo(ALPHA)


def test_the_sequence_covers_the_truth_at_all_looks_together() -> None:
    paths = watch(SHAPES["normal"], effect=0.1)
    assert paths.missed <= ALPHA + monte_carlo(ALPHA)
    assert paths.sequential > 0.3


def test_the_sequence_is_not_absurdly_wide() -> None:
    """Over an unbounded time the error approaches alpha; at the planned size it costs at most 1.6 times the width."""
    edge = float(boundary(USERS, ALPHA, best_rho(USERS, ALPHA)))
    assert 1.96 < edge < 1.6 * 1.96
    assert float(boundary(1.0, ALPHA, best_rho(1.0, ALPHA))) == pytest.approx(edge)


def test_boundary_is_tightest_at_the_planned_size() -> None:
    tuned = float(boundary(USERS, ALPHA, best_rho(USERS, ALPHA)))
    others = [float(boundary(USERS, ALPHA, best_rho(USERS * f, ALPHA))) for f in (0.25, 0.5, 2, 4)]
    assert all(tuned <= other + 1e-3 for other in others)


def test_the_interval_the_e_value_and_the_p_value_are_one_test() -> None:
    """The interval excludes zero exactly where the p-value is below alpha."""
    rho = best_rho(1000, ALPHA)
    edge = float(boundary(777, ALPHA, rho))
    assert log_e_value(edge, 777, rho) == pytest.approx(-np.log(ALPHA))
    rng = np.random.default_rng(5)
    for _ in range(100):
        variant = rng.integers(0, 2, 800)
        value = rng.normal(size=800) + rng.uniform(-0.5, 0.5) * variant
        test = sequential_test(Sample(value, variant, np.full(800, np.nan), np.arange(800), 800), planned=1000)
        assert test.significant == (test.p_value < ALPHA)


def test_the_e_value_is_fair_under_no_difference() -> None:
    """Its mean over many experiments is at most 1, whenever one stops."""
    rng, rho = np.random.default_rng(9), best_rho(400, ALPHA)
    z = rng.normal(size=200_000)
    for users in (100, 400, 2000):
        assert np.exp([log_e_value(v, users, rho) for v in z[:20_000]]).mean() <= 1.05


def test_difference_is_welchs() -> None:
    rng = np.random.default_rng(2)
    value, variant = rng.normal(size=500), (np.arange(500) % 3 == 0).astype(int)
    found = difference(Sample(value, variant, np.full(500, np.nan), np.arange(500), 500))
    reference = ttest_ind(value[variant == 1], value[variant == 0], equal_var=False)
    assert found is not None
    assert found.effect / np.sqrt(found.variance) == pytest.approx(reference.statistic)


def test_too_few_users_say_so() -> None:
    value, variant = np.arange(150.0), np.repeat([0, 1], [99, 51])
    test = sequential_test(Sample(value, variant, value * np.nan, np.arange(150), 150), planned=1000)
    assert (test.interval, test.p_value) == (None, 1.0)
    assert "Too few users (99 and 51)" in test.verdict


def test_requests_of_one_user_are_not_independent() -> None:
    """Clustered rates: per user with the delta method the error is kept; per request it is not."""
    rng, false, wrong = np.random.default_rng(6), 0, 0
    users, simulations = 600, 300
    for _ in range(simulations):
        variant = rng.integers(0, 2, users)
        taste, count = rng.beta(1, 3, users), rng.geometric(0.1, users).astype(float)
        clicks = rng.binomial(count.astype(int), taste).astype(float)
        nothing = np.full(users, np.nan)
        seen = Observations(np.arange(users), clicks, count, np.zeros(users), nothing)
        sample = per_user(Users(variant, np.zeros(users)), seen)
        false += sequential_test(sample, planned=users).significant
        pooled = [clicks[variant == arm].sum() / count[variant == arm].sum() for arm in (0, 1)]
        error = np.sqrt(sum(p * (1 - p) / count[variant == arm].sum() for arm, p in enumerate(pooled)))
        wrong += abs(pooled[1] - pooled[0]) > 1.96 * error
    assert false / simulations <= ALPHA
    assert wrong / simulations > 0.15


def test_users_who_come_back_do_not_break_the_error() -> None:
    """Everybody is there on the first day, and only their means get better: looks go by information, not by users."""
    rng, days, users, simulations = np.random.default_rng(7), 20, 400, 400
    false = 0
    for _ in range(simulations):
        variant = rng.integers(0, 2, users)
        daily = rng.normal(size=(users, 1)) + 2 * rng.normal(size=(users, days))
        means = np.cumsum(daily, axis=1) / np.arange(1, days + 1)
        nothing = np.full(users, np.nan)
        false += any(
            sequential_test(Sample(means[:, day], variant, nothing, np.arange(users), users), planned=users).significant
            for day in range(days)
        )
    assert false / simulations <= ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / simulations)


def test_delta_method_agrees_with_resampling_users() -> None:
    rng, users = np.random.default_rng(8), 3000
    count = rng.poisson(5, users) + 1.0
    value = rng.binomial(count.astype(int), 0.3).astype(float)
    number = linearised(value, count, np.zeros(users, dtype=np.int64))
    assert number.mean() == pytest.approx(value.sum() / count.sum())
    again = rng.integers(0, users, (500, users))
    resampled = (value[again].sum(axis=1) / count[again].sum(axis=1)).std()
    assert number.std(ddof=1) / np.sqrt(users) == pytest.approx(resampled, rel=0.1)


def test_aggregation_by_kind_and_time() -> None:
    users = Users(np.array([0, 0, 1]), np.array([0.0, 10.0, 0.0]))
    seen = Observations(
        np.array([0, 0, 2]),
        np.array([1.0, 3.0, 5.0]),
        np.array([1.0, 3.0, 2.0]),
        np.array([1.0, 9.0, 2.0]),
        np.full(3, np.nan),
    )
    assert per_user(users, seen, "total").value.tolist() == [4.0, 0.0, 5.0]
    assert per_user(users, seen, "user_mean").value.tolist() == [1.0, 2.5]
    assert per_user(users, seen, "total", until=5.0).value.tolist() == [1.0, 5.0]
    assert per_user(users, seen, "ratio").member.tolist() == [0, 2]
