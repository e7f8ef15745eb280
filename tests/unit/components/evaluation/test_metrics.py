import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, mean_pinball_loss, r2_score

from components.evaluation import metrics
from components.evaluation.calibration import reliability
from components.evaluation.regimes import Regimes

RNG = np.random.default_rng(1)
ACTUAL, FORECAST = RNG.normal(size=400), RNG.normal(size=400)


def test_metrics_equal_scikit_learn() -> None:
    assert metrics.r2(ACTUAL, FORECAST) == pytest.approx(r2_score(ACTUAL, FORECAST))
    assert metrics.pinball(ACTUAL, FORECAST, 0.05).mean() == pytest.approx(
        mean_pinball_loss(ACTUAL, FORECAST, alpha=0.05)
    )
    want = balanced_accuracy_score(ACTUAL > 0, FORECAST > 0)
    assert metrics.balanced_directional_accuracy(ACTUAL, FORECAST) == pytest.approx(want)


def test_interval_score_is_twice_the_mean_pinball_over_the_tail() -> None:
    lower, upper = FORECAST - 1, FORECAST + 1
    sums = metrics.pinball(ACTUAL, lower, 0.05) + metrics.pinball(ACTUAL, upper, 0.95)
    np.testing.assert_allclose(metrics.interval_score(ACTUAL, lower, upper, 0.9), sums * 2 / 0.1)


def test_a_constant_call_has_balanced_accuracy_one_half() -> None:
    assert metrics.balanced_directional_accuracy(ACTUAL, np.ones(400)) == 0.5


def test_mape_of_a_zero_is_undefined() -> None:
    assert np.isnan(metrics.mape(np.array([0.0, 1.0]), np.array([1.0, 1.0])))


def test_mase_of_the_naive_forecast_is_one() -> None:
    naive = np.mean(np.abs(ACTUAL))
    assert metrics.mase(ACTUAL, np.zeros(400), float(naive)) == pytest.approx(1)


def test_reliability_of_a_calibrated_and_of_an_overconfident_forecaster() -> None:
    probability = RNG.uniform(0.5, 0.9, 20_000)
    happened = RNG.uniform(size=20_000) < probability
    assert reliability(probability, happened)["ece"] < 0.02
    assert reliability(np.minimum(probability + 0.1, 1), happened)["ece"] == pytest.approx(0.1, abs=0.02)


def test_regimes_take_their_thresholds_from_training_rows() -> None:
    regimes = Regimes.fit(np.arange(300.0))
    assert regimes.label(np.array([-5.0, 150.0, 1e9])).tolist() == ["low", "medium", "high"]
