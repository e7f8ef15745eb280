"""GARCH: arch itself is the oracle of the filter and of the forecast; the rest are closed forms and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from arch import arch_model

from components.errors import DataRejected
from components.finance.garch import GarchParams, filter_variances, fit_garch, forecast_variance

TRUE = GarchParams(mu=0.0004, omega=2e-6, alpha=0.05, gamma=0.1, beta=0.88, nu=8.0)


def simulate(params: GarchParams, days: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shocks = rng.standard_t(params.nu, days) * np.sqrt(1 - 2 / params.nu)
    returns, variance = np.empty(days), params.unconditional
    for t in range(days):
        e = np.sqrt(variance) * shocks[t]
        returns[t] = params.mu + e
        variance = params.omega + (params.alpha + params.gamma * (e < 0)) * e**2 + params.beta * variance
    return returns


@pytest.fixture(scope="module")
def returns() -> np.ndarray:
    return simulate(TRUE, 4000, 3)


@pytest.mark.parametrize("asymmetric", [False, True])
def test_filter_and_forecast_agree_with_arch(returns: np.ndarray, asymmetric: bool) -> None:
    model = arch_model(100 * returns, mean="Constant", vol="GARCH", p=1, o=int(asymmetric), q=1, dist="t")
    result = model.fit(disp="off")
    p = result.params
    params = GarchParams(p["mu"] / 100, p["omega"] / 1e4, p["alpha[1]"], p.get("gamma[1]", 0.0), p["beta[1]"], p["nu"])
    start = (result.conditional_volatility[0] / 100) ** 2
    variances = filter_variances(params, returns, start)
    np.testing.assert_allclose(np.sqrt(variances[:-1]) * 100, result.conditional_volatility, rtol=1e-10)
    theirs = result.forecast(horizon=21).variance.to_numpy()[-1] / 1e4
    np.testing.assert_allclose(forecast_variance(params, variances[-1], 21), theirs, rtol=1e-10)


def test_fit_reaches_the_likelihood_of_arch(returns: np.ndarray) -> None:
    ours = fit_garch(returns, asymmetric=True)
    model = arch_model(100 * returns, mean="Constant", vol="GARCH", p=1, o=1, q=1, dist="t")
    theirs = model.fit(disp="off")
    vector = [ours.mu * 100, ours.omega * 1e4, ours.alpha, ours.gamma, ours.beta, ours.nu]
    assert model.fix(vector).loglikelihood == pytest.approx(theirs.loglikelihood, abs=0.1)


def test_fit_finds_what_was_simulated(returns: np.ndarray) -> None:
    fitted = fit_garch(returns, asymmetric=True)
    assert fitted.persistence == pytest.approx(TRUE.persistence, abs=0.02)
    assert fitted.gamma == pytest.approx(TRUE.gamma, abs=0.04)
    assert fitted.nu == pytest.approx(TRUE.nu, abs=2)
    assert fit_garch(returns, asymmetric=False).gamma == 0


def test_parameters_scale_with_the_returns(returns: np.ndarray) -> None:
    one, small = fit_garch(returns, False), fit_garch(returns / 50, False)
    assert small.omega == pytest.approx(one.omega / 2500, rel=1e-4)
    assert small.mu == pytest.approx(one.mu / 50, rel=1e-4)
    assert small.alpha == pytest.approx(one.alpha, rel=1e-4)
    assert small.beta == pytest.approx(one.beta, rel=1e-4)


def test_long_forecasts_reach_the_unconditional_variance() -> None:
    assert forecast_variance(TRUE, 9 * TRUE.unconditional, 1000)[-1] == pytest.approx(TRUE.unconditional, rel=1e-6)
    ahead = forecast_variance(TRUE, 9 * TRUE.unconditional, 10)
    closed = TRUE.unconditional * (1 + 8 * TRUE.persistence ** np.arange(10))
    np.testing.assert_allclose(ahead, closed, rtol=1e-12)


def test_columns_and_rows_are_filtered_alone(returns: np.ndarray) -> None:
    table = returns[:60].reshape(20, 3)
    together = filter_variances(TRUE, table, start=np.array([1e-4, 2e-4, 3e-4]))
    for column, start in enumerate((1e-4, 2e-4, 3e-4)):
        np.testing.assert_array_equal(together[:, column], filter_variances(TRUE, table[:, column], start))
    rows = forecast_variance(TRUE, together[-1], 5)
    assert rows.shape == (3, 5)
    np.testing.assert_array_equal(rows[1], forecast_variance(TRUE, together[-1, 1], 5))


def test_a_fall_raises_the_variance_more_than_a_rise() -> None:
    up, down = (filter_variances(TRUE, np.array([TRUE.mu + e]), 1e-4)[1] for e in (0.03, -0.03))
    assert down - up == pytest.approx(TRUE.gamma * 0.03**2)


def test_the_start_defaults_to_what_is_known() -> None:
    assert filter_variances(TRUE, np.zeros(3))[0] == pytest.approx(TRUE.unconditional)
    explosive = GarchParams(0.0, 1e-6, 0.2, 0.0, 0.85, 5.0)
    assert explosive.unconditional == float("inf")
    assert filter_variances(explosive, np.array([0.01, -0.03]))[0] == pytest.approx((0.01**2 + 0.03**2) / 2)


def test_parameters_survive_json() -> None:
    assert GarchParams.from_dict(TRUE.to_dict()) == TRUE


@pytest.mark.parametrize(
    ("series", "told"),
    [
        (np.zeros(500), "do not vary"),
        (np.full(500, 0.01), "do not vary"),
        (np.random.default_rng(0).normal(size=100), r"\(100,\) are too few"),
        (np.append(np.random.default_rng(0).normal(size=400), np.nan), "400 of 401 is nan"),
        (np.random.default_rng(0).normal(size=(300, 2)), "one series"),
    ],
)
def test_what_cannot_be_fitted_is_refused(series: np.ndarray, told: str) -> None:
    with pytest.raises(DataRejected, match=told):
        fit_garch(series, False)


def test_no_convergence_is_told(monkeypatch: pytest.MonkeyPatch, returns: np.ndarray) -> None:
    monkeypatch.setattr("components.finance.garch._maximum_likelihood", lambda series, asymmetric: None)
    with pytest.raises(DataRejected, match="GJR-GARCH could not be fitted to 4000 returns: the likelihood did not"):
        fit_garch(returns, True)


def test_a_horizon_of_no_days_is_refused() -> None:
    with pytest.raises(ValueError, match="horizon of 0"):
        forecast_variance(TRUE, 1e-4, 0)
