"""Sample ratio, CUPED, many segments, and the planner: against references, and as claims."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import chisquare
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower

from components.experiments.cuped import adjust
from components.experiments.multiplicity import benjamini_hochberg, e_benjamini_hochberg, holm
from components.experiments.power import expected_share, plan
from components.experiments.segments import by_segment
from components.experiments.sequential import best_rho, boundary, difference
from components.experiments.srm import THRESHOLD, check_ratio, log_bayes_factor, sequential_p_value
from components.experiments.users import Sample, Users

HALVES = (0.5, 0.5)


def test_ratio_check_reports_pearsons_test() -> None:
    found = check_ratio((5100, 4900), HALVES)
    reference = chisquare([5100, 4900])
    assert (found.chi_squared, found.fixed_p_value) == pytest.approx((reference.statistic, reference.pvalue))
    assert not found.mismatch
    assert check_ratio((0, 0), HALVES).p_value == 1.0


@pytest.mark.parametrize("split", [HALVES, (0.9, 0.1)])
def test_ratio_alarms_are_rare_when_looking_at_every_tenth_user(split: tuple[float, float]) -> None:
    """A naive chi-squared test at 0.001 alarms far more often."""
    rng, simulations, users = np.random.default_rng(1), 400, 3000
    treated = np.cumsum(rng.random((simulations, users)) < split[1], axis=1)[:, 9::10]
    total = np.arange(10, users + 1, 10)
    alarms = naive = 0
    for row in treated:
        pairs = [(int(n - t), int(t)) for n, t in zip(total, row, strict=True)]
        alarms += sequential_p_value(pairs, split) < 0.05
        z = (row - total * split[1]) / np.sqrt(total * split[1] * split[0])
        naive += bool((np.abs(z) > 1.96).any())
    assert alarms / simulations <= 0.05
    assert naive / simulations > 0.25


def test_ratio_bayes_factor_is_fair_and_grows_with_a_loss() -> None:
    rng = np.random.default_rng(2)
    draws = rng.binomial(500, 0.5, 20_000)
    assert np.exp([log_bayes_factor((int(500 - d), int(d)), HALVES) for d in draws]).mean() == pytest.approx(
        1.0, abs=0.05
    )
    assert check_ratio((1500, 1125), HALVES).mismatch
    assert check_ratio((51_000, 48_500), HALVES).p_value < THRESHOLD
    assert not check_ratio((150, 130), HALVES).mismatch


def samples(rng: np.random.Generator, users: int, rho: float, effect: float, known: float = 1.0) -> Sample:
    variant = rng.integers(0, 2, users)
    past = rng.normal(size=users)
    value = rho * past + np.sqrt(1 - rho**2) * rng.normal(size=users) + effect * variant
    past[rng.random(users) >= known] = np.nan
    return Sample(value, variant, past, np.arange(users), users)


@pytest.mark.parametrize("rho", [0.3, 0.7, 0.9])
def test_cuped_takes_rho_squared_of_the_variance(rho: float) -> None:
    sample, told = adjust(samples(np.random.default_rng(3), 40_000, rho, 0.1))
    assert told.variance_reduction == pytest.approx(rho**2, abs=0.015)
    found = difference(sample)
    assert found is not None
    assert found.variance == pytest.approx(4 * (1 - rho**2) / 40_000, rel=0.05)


def test_cuped_is_unbiased_and_tighter_also_with_newcomers() -> None:
    rng, raw, adjusted = np.random.default_rng(4), [], []
    for _ in range(400):
        sample = samples(rng, 1000, 0.8, 0.1, known=0.6)
        newcomer = np.isnan(sample.covariate)
        sample.value[newcomer] += 3.0  # newcomers are another kind of people; the variant has nothing to do with it
        for out, part in ((raw, sample), (adjusted, adjust(sample)[0])):
            found = difference(part)
            assert found is not None
            out.append(found.effect)
    error = np.std(adjusted) / np.sqrt(len(adjusted))
    assert abs(np.mean(adjusted) - 0.1) < 3 * error
    assert np.var(adjusted) < 0.3 * np.var(raw)


def test_cuped_without_a_past_changes_nothing_and_says_so() -> None:
    sample = samples(np.random.default_rng(5), 500, 0.5, 0.0, known=0.0)
    out, told = adjust(sample)
    assert out is sample
    assert "no user's past is known" in told.why


def test_adjusted_p_values_are_statsmodels() -> None:
    p = np.random.default_rng(6).random(17) ** 3
    assert holm(p.tolist()) == pytest.approx(multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p.tolist()) == pytest.approx(multipletests(p, method="fdr_bh")[1])
    assert e_benjamini_hochberg((1 / p).tolist()) == pytest.approx(benjamini_hochberg(p.tolist()))
    assert holm([]).tolist() == benjamini_hochberg([]).tolist() == []


def test_e_bh_by_hand() -> None:
    """K = 4 at level 0.05: the second largest e-value must reach 4 / (0.05 * 2) = 40."""
    assert (e_benjamini_hochberg([100, 41, 3, 1]) <= 0.05).tolist() == [True, True, False, False]
    assert (e_benjamini_hochberg([79, 39, 3, 1]) <= 0.05).tolist() == [False, False, False, False]


def test_segments_control_chance_and_find_the_real_one() -> None:
    rng, false, found = np.random.default_rng(7), 0, 0
    for _ in range(60):
        users = 4000
        labels = rng.integers(0, 10, users).astype(str)
        variant = rng.integers(0, 2, users)
        value = rng.normal(size=users) + np.where(labels == "3", 0.8 * variant, 0.0)
        people = Users(variant, np.zeros(users), {"room": labels})
        sample = Sample(value, variant, np.full(users, np.nan), np.arange(users), users)
        results = by_segment(people, sample, ["room"], planned=users)
        false += any(r.finding for r in results if r.segment != "3")
        found += next(r for r in results if r.segment == "3").finding
    assert false <= 6
    assert found > 50


def test_small_segments_say_too_few() -> None:
    rng, users = np.random.default_rng(8), 1000
    labels = np.where(np.arange(users) < 60, "small", "large")
    variant = rng.integers(0, 2, users)
    sample = Sample(rng.normal(size=users), variant, np.full(users, np.nan), np.arange(users), users)
    small = next(
        r
        for r in by_segment(Users(variant, np.zeros(users), {"size": labels}), sample, ["size"], planned=1000)
        if r.segment == "small"
    )
    assert (small.verdict, small.adjusted, small.finding) == ("too few", None, False)


def test_the_fixed_plan_is_statsmodels() -> None:
    for share in (0.5, 0.2):
        found = plan(effect=0.1, standard_deviation=1.0, treatment_share=share)
        treated = NormalIndPower().solve_power(0.1, alpha=0.05, power=0.8, ratio=(1 - share) / share)
        assert found.fixed_users == pytest.approx(treated / share, rel=0.001)


def test_the_planned_size_reaches_the_planned_power() -> None:
    found = plan(effect=0.2, standard_deviation=1.0, power=0.8)
    rng, simulations, n = np.random.default_rng(9), 2000, found.sequential_users
    drift = 0.2 * np.sqrt(n) / 2
    time = np.arange(1, 201) / 200
    walk = np.cumsum(rng.normal(drift / 200, np.sqrt(1 / 200), (simulations, 200)), axis=1)
    crossed = np.abs(walk) / np.sqrt(time) > boundary(time, 0.05, best_rho(1.0, 0.05))
    power = crossed.any(axis=1).mean()
    assert 0.8 - 0.03 <= power <= 0.93
    assert found.expected_users / n == pytest.approx(expected_share(drift, 0.05), rel=0.02)
    assert found.expected_users < n < 2 * found.fixed_users


def test_cuped_and_days_enter_the_plan() -> None:
    plain, past = (
        plan(effect=0.1, standard_deviation=1.0, correlation=c, daily_users=500, traffic_share=0.5) for c in (0.0, 0.8)
    )
    assert past.fixed_users == pytest.approx(plain.fixed_users * 0.36, rel=0.01)
    assert plain.fixed_days == pytest.approx(plain.fixed_users / 250, rel=0.01)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"effect": 0.0, "baseline": 0.1}, "effect is 0.0"),
        ({"effect": 0.1}, "either the baseline"),
        ({"effect": 0.1, "baseline": 0.95}, "must be between 0 and 1"),
        ({"effect": 0.1, "standard_deviation": 1.0, "treatment_share": 1.0}, "treatment share is 1.0"),
    ],
)
def test_the_planner_refuses(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        plan(**arguments)  # type: ignore[arg-type]
