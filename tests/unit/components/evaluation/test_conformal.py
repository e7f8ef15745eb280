import numpy as np
import pytest

from components.evaluation.baselines import ewma_volatility, moving_average
from components.evaluation.conformal import constant_width, upper_quantile


def test_the_finite_sample_guarantee_holds_on_average() -> None:
    rng = np.random.default_rng(3)
    scores = rng.standard_t(3, size=(40, 4000))
    quantile = upper_quantile(scores, 0.9)
    covered = (rng.standard_t(3, size=4000) <= quantile).mean()
    assert 0.89 <= covered <= 0.9 + 1 / 41 + 0.02


def test_too_few_rows_are_refused_with_the_number_that_would_do() -> None:
    with pytest.raises(ValueError, match="19 do"):
        upper_quantile(np.zeros((18, 1)), 0.95)


def test_constant_width_is_one_sided_per_tail() -> None:
    errors = np.concatenate([np.arange(-100.0, 0), np.arange(1, 301.0)])[:, None]
    below, above = constant_width(errors, 0.9)
    assert below[0] < above[0]
    assert np.mean((errors >= -below) & (errors <= above)) >= 0.9


def test_moving_average_looks_back_only() -> None:
    series = np.arange(1.0, 11.0)
    changed = series.copy()
    changed[7:] = 99
    assert moving_average(series, 3)[:4].tolist() == [1, 1.5, 2, 3]
    np.testing.assert_array_equal(moving_average(series, 3)[:7], moving_average(changed, 3)[:7])


def test_ewma_volatility_looks_back_only() -> None:
    series = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 200)))
    changed = series.copy()
    changed[150:] *= 1.5
    got, other = ewma_volatility(series), ewma_volatility(changed)
    np.testing.assert_array_equal(got[:150], other[:150])
    assert other[150] > got[150]
    assert got[100:].mean() == pytest.approx(0.01, rel=0.2)
