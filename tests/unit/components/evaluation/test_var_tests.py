"""Tests of value at risk: worked values, size under the null, power against wrong models."""

import math

import numpy as np
import pytest
from scipy.stats import chi2, norm, t

from components.errors import DataRejected
from components.evaluation.var_tests import (
    GREEN,
    acerbi_szekely,
    basel_multiplier,
    christoffersen,
    christoffersen_independence,
    exceedances,
    kupiec,
    tick_loss,
    traffic_light,
)


def hits_of(count: int, rows: int) -> np.ndarray:
    """Spread ``count`` exceedances evenly."""
    hits = np.zeros(rows, bool)
    hits[np.linspace(3, rows - 3, count).astype(int)] = True
    return hits


@pytest.mark.parametrize(
    ("count", "rows", "level", "statistic"),
    # Jorion, Value at Risk, 3rd ed., table 6-2: 20 exceptions of 5 % VaR at J.P. Morgan in 252 days; the limits of
    # non-rejection 1 < N < 7 of 1 % in 252.
    [(20, 252, 0.05, 3.91), (7, 252, 0.01, 5.42), (1, 252, 0.01, 1.21), (0, 252, 0.01, 5.07)],
)
def test_kupiec_gives_worked_values(count: int, rows: int, level: float, statistic: float) -> None:
    result = kupiec(hits_of(count, rows) if count else np.zeros(rows, bool), level)
    assert result.statistic == pytest.approx(statistic, abs=0.02)
    assert result.p_value == pytest.approx(chi2.sf(statistic, 1), rel=0.03)


def test_independence_is_the_likelihood_ratio_of_the_transition_counts() -> None:
    hits = np.array([0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 0, 0, 0, 0], bool)
    # 9 + 3 leave or enter from calm days, 3 of 6 follow an exceedance: counted by hand.
    stay, enter, leave, repeat = 10, 3, 3, 3
    p01, p11, p = enter / (stay + enter), repeat / (leave + repeat), (enter + repeat) / 19
    ratio = (stay * math.log(1 - p01) + enter * math.log(p01) + leave * math.log(1 - p11) + repeat * math.log(p11)) - (
        (stay + leave) * math.log(1 - p) + (enter + repeat) * math.log(p)
    )
    assert christoffersen_independence(hits).statistic == pytest.approx(2 * ratio)


def test_conditional_coverage_adds_both() -> None:
    hits = np.random.default_rng(3).random(600) < 0.03
    whole, coverage, order = christoffersen(hits, 0.01), kupiec(hits, 0.01), christoffersen_independence(hits)
    assert coverage.statistic is not None
    assert order.statistic is not None
    assert whole.statistic == pytest.approx(coverage.statistic + order.statistic)
    assert whole.p_value == pytest.approx(chi2.sf(whole.statistic, 2))


@pytest.mark.parametrize(
    ("count", "zone", "multiplier"),
    [(0, "green", 3.0), (4, "green", 3.0), (5, "yellow", 3.4), (9, "yellow", 3.85), (10, "red", 4.0), (30, "red", 4.0)],
)
def test_zones_are_those_of_the_basel_committee(count: int, zone: str, multiplier: float) -> None:
    hits = hits_of(count, 250) if count else np.zeros(250, bool)
    assert traffic_light(hits).verdict.startswith(f"{zone}:")
    assert basel_multiplier(hits) == pytest.approx(multiplier)


def test_size_under_the_null() -> None:
    rng = np.random.default_rng(11)
    samples = [rng.random(1500) < 0.05 for _ in range(600)]
    for test in (lambda h: kupiec(h, 0.05), christoffersen_independence, lambda h: christoffersen(h, 0.05)):
        rejected = np.mean([(p := test(h).p_value) is not None and p < 0.05 for h in samples])
        assert 0.025 < rejected < 0.085


def test_power_against_wrong_frequency_and_against_clusters() -> None:
    rng = np.random.default_rng(12)
    frequent = [rng.random(1000) < 0.025 for _ in range(200)]
    assert np.mean([kupiec(h, 0.01).p_value < 0.05 for h in frequent]) > 0.9  # type: ignore[operator]
    clustered = []
    for _ in range(200):
        hits = np.zeros(1000, bool)
        for day in range(1, 1000):
            hits[day] = rng.random() < (0.4 if hits[day - 1] else 0.03)
        clustered.append(hits)
    assert np.mean([christoffersen_independence(h).p_value < 0.05 for h in clustered]) > 0.95  # type: ignore[operator]


def student(rng: np.random.Generator, rows: int, nu: float) -> np.ndarray:
    return rng.standard_t(nu, rows) * math.sqrt((nu - 2) / nu)


def normal_figures(level: float) -> tuple[float, float]:
    return float(norm.ppf(level)), float(-norm.pdf(norm.ppf(level)) / level)


def test_expected_shortfall_test_has_its_size_and_no_bias() -> None:
    rng = np.random.default_rng(13)
    var, es = normal_figures(0.025)
    results = [
        acerbi_szekely(rng.standard_normal(1000), np.full(1000, var), np.full(1000, es), 0.025, draws=1500, seed=i)
        for i in range(300)
    ]
    assert np.mean([r.statistic for r in results]) == pytest.approx(0, abs=0.03)
    assert 0.02 < np.mean([r.p_value < 0.05 for r in results]) < 0.09  # type: ignore[operator]


def rejections(returns: list[np.ndarray], var: float, es: float, level: float) -> float:
    """Share of samples whose expected shortfall is found too small."""
    results = [
        acerbi_szekely(r, np.full(len(r), var), np.full(len(r), es), level, draws=800, seed=i)
        for i, r in enumerate(returns)
    ]
    return float(np.mean([r.p_value < 0.05 for r in results]))  # type: ignore[operator]


def test_expected_shortfall_test_finds_understated_risk() -> None:
    rng = np.random.default_rng(14)
    wilder = [1.25 * rng.standard_normal(1000) for _ in range(60)]
    assert rejections(wilder, *normal_figures(0.025), 0.025) > 0.9


def test_expected_shortfall_test_finds_a_normal_model_of_heavy_tails_wanting() -> None:
    rng = np.random.default_rng(14)
    level, nu = 0.01, 4.0
    heavy = [student(rng, 2500, nu) for _ in range(60)]
    edge = float(t.ppf(level, nu))
    scale = math.sqrt((nu - 2) / nu)
    shortfall = -t.pdf(edge, nu) / level * (nu + edge**2) / (nu - 1) * scale
    assert rejections(heavy, *normal_figures(level), level) > 0.6
    assert rejections(heavy, edge * scale, float(shortfall), level) < 0.2


def test_tick_loss_is_least_at_the_true_quantile() -> None:
    returns = np.random.default_rng(15).standard_normal(40_000)
    losses = {
        shift: float(tick_loss(returns, np.full(40_000, norm.ppf(0.05) + shift), 0.05).mean())
        for shift in (-0.4, 0.0, 0.4)
    }
    assert losses[0.0] < min(losses[-0.4], losses[0.4])
    assert tick_loss([-3.0, 1.0], [-2.0, -2.0], 0.05).tolist() == pytest.approx([0.95, 0.15])


def test_what_cannot_be_tested_says_so() -> None:
    quiet = np.zeros(100, bool)
    assert christoffersen_independence(quiet).p_value is None
    assert "0 exceedances" in christoffersen_independence(quiet).verdict
    assert kupiec(np.zeros(0, bool), 0.01).p_value is None


def test_bad_input_is_named() -> None:
    with pytest.raises(DataRejected, match=r"shape \(3,\) and values at risk of shape \(2,\)"):
        exceedances([0.1, 0.2, 0.3], [0.0, 0.0])
    with pytest.raises(DataRejected, match="one truth value per day"):
        kupiec([0, 1, 0], 0.01)
    with pytest.raises(DataRejected, match="lies above its value at risk"):
        acerbi_szekely([-1.0], [-2.0], [-1.5], 0.025)


@pytest.mark.parametrize("days", [0, 1, 5, 250])
def test_no_exceedance_is_green_however_few_days_there_are(days: int) -> None:
    assert traffic_light(np.zeros(days, dtype=bool), 0.01).verdict.startswith(GREEN)
