import numpy as np
import pytest
import statsmodels.api as sm

from components.evaluation.hypothesis_tests import bandwidth, diebold_mariano, newey_west_variance, pesaran_timmermann

RNG = np.random.default_rng(5)


def autocorrelated(n: int) -> np.ndarray:
    noise = RNG.normal(size=n)
    for i in range(1, n):
        noise[i] += 0.5 * noise[i - 1]
    return noise


def test_newey_west_equals_statsmodels() -> None:
    series = autocorrelated(500)
    fit = sm.OLS(series, np.ones(500)).fit(cov_type="HAC", cov_kwds={"maxlags": 8, "use_correction": False})
    assert np.sqrt(newey_west_variance(series, 8) / 500) == pytest.approx(float(fit.bse[0]))


def test_diebold_mariano_keeps_its_size_under_the_null() -> None:
    rejected = 0
    for _ in range(400):
        a, b = autocorrelated(300), autocorrelated(300)
        p = diebold_mariano(a**2, b**2, steps=1).p_value
        assert p is not None
        rejected += p < 0.05
    assert rejected / 400 < 0.1


def test_diebold_mariano_finds_the_better_forecast() -> None:
    result = diebold_mariano(0.8 * RNG.normal(size=500) ** 2, RNG.normal(size=500) ** 2)
    assert result.p_value is not None
    assert result.p_value < 0.05
    assert "significantly below" in result.verdict


def test_equal_losses_have_no_statistic_and_say_so() -> None:
    loss = RNG.normal(size=100) ** 2
    result = diebold_mariano(loss, loss)
    assert result.statistic is None
    assert "do not differ" in result.verdict


def test_pesaran_timmermann_equals_the_textbook_on_independent_rows() -> None:
    n = 4000
    rose = RNG.uniform(size=n) < 0.55
    called = np.where(RNG.uniform(size=n) < 0.06, rose, RNG.uniform(size=n) < 0.6)
    hit, py, px = np.mean(rose == called), rose.mean(), called.mean()
    expected = py * px + (1 - py) * (1 - px)
    variance = expected * (1 - expected) / n
    variance -= ((2 * py - 1) ** 2 * px * (1 - px) + (2 * px - 1) ** 2 * py * (1 - py)) / n
    variance -= 4 * py * px * (1 - py) * (1 - px) / n**2
    result = pesaran_timmermann(rose, called)
    assert result.statistic == pytest.approx((hit - expected) / np.sqrt(variance), rel=0.15)


def test_a_constant_call_is_not_tested() -> None:
    result = pesaran_timmermann(RNG.uniform(size=200) < 0.5, np.ones(200, dtype=bool))
    assert result.p_value is None
    assert "up in 100%" in result.verdict


def test_overlapping_horizons_widen_the_bandwidth() -> None:
    assert bandwidth(1000, 1) == 10
    assert bandwidth(1000, 21) == 20
