"""The dataset and what is learnt from it: nothing from the future, and the truth where it is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.data.dataset import Dataset
from components.errors import DataRejected
from components.evaluation.splits import walk_forward
from components.finance.garch import GarchParams, filter_variances
from components.finance.paths import Dynamics
from components.models.portfolio.risk_assessment.baselines import fhs_garch, historical_simulation, normal_garch
from components.models.portfolio.risk_assessment.data import build_dataset, spacing
from components.models.portfolio.risk_assessment.judge import COLUMN, JUDGE
from components.models.portfolio.risk_assessment.learning import learn, shrunk_mean
from components.models.portfolio.risk_assessment.own_history import own_volatility
from components.models.portfolio.risk_assessment.params import Params
from components.models.portfolio.risk_assessment.walk import FIRST_FIT, fit_or_target, walk

DAYS, NAMES = 2300, ("AAPL", "JPM", "KO", "XOM")
TRUTH = GarchParams(0.0003, 2e-6, 0.03, 0.08, 0.91, 7.0)


def simulate_returns(seed: int = 3) -> np.ndarray:
    """GJR returns with one common factor in their shocks."""
    rng = np.random.default_rng(seed)
    common = rng.standard_t(7, DAYS) * np.sqrt(5 / 7)
    own = rng.standard_t(7, (DAYS, len(NAMES))) * np.sqrt(5 / 7)
    shocks = np.sqrt(0.4) * common[:, None] + np.sqrt(0.6) * own
    returns = np.empty_like(shocks)
    variance = np.full(len(NAMES), TRUTH.unconditional)
    for day in range(DAYS):
        returns[day] = np.sqrt(variance) * shocks[day]
        variance = (
            TRUTH.omega + (TRUTH.alpha + TRUTH.gamma * (returns[day] < 0)) * returns[day] ** 2 + (TRUTH.beta * variance)
        )
    return returns + TRUTH.mu


def bars_of(returns: np.ndarray) -> pd.DataFrame:
    close = 100 * np.cumprod(1 + np.vstack([np.zeros(len(NAMES)), returns]), axis=0)
    times = pd.bdate_range("2010-01-01", periods=len(close)) + pd.Timedelta(hours=21)
    wide = pd.DataFrame(close, index=times, columns=list(NAMES)).rename_axis("timestamp")
    long = wide.melt(var_name="entity", value_name="close", ignore_index=False).reset_index()
    return long.assign(open=long["close"], high=long["close"], low=long["close"], volume=0.0)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return build_dataset(pd.DataFrame(), bars_of(simulate_returns()), ())


def test_nothing_in_a_row_knows_its_future(data: Dataset) -> None:
    returns = simulate_returns()
    cut = FIRST_FIT + 600
    changed = returns.copy()
    changed[cut:] = simulate_returns(99)[cut:]
    other = build_dataset(pd.DataFrame(), bars_of(changed), ())
    known = np.flatnonzero(FIRST_FIT + (1 + np.arange(len(data))) * spacing(DAYS) <= cut)
    assert len(known) > 100
    for part in ("inputs", "targets"):
        for name, values in getattr(data, part).items():
            if name == "portfolio_return":
                continue
            np.testing.assert_array_equal(getattr(other, part)[name][known], values[known], err_msg=name)
    assert (other.targets["portfolio_return"][known[-1]] != data.targets["portfolio_return"][known[-1]]).all()


def test_outcomes_are_those_of_the_days_after(data: Dataset) -> None:
    returns = simulate_returns()
    row = 17
    day = FIRST_FIT + (1 + row) * spacing(DAYS)
    weight = dict(zip(data.inputs["security_id"][row], data.inputs["weight"][row], strict=True))
    held = np.array([weight.get(name, 0.0) for name in NAMES])
    assert data.targets["portfolio_return"][row, 0] == pytest.approx(returns[day] @ held)
    assert data.targets["portfolio_return"][row, 1] == pytest.approx(np.prod(1 + returns[day : day + 21] @ held) - 1)
    assert (data.label_times[row] - data.times[row]) / np.timedelta64(1, "D") == pytest.approx(29, abs=3)


def test_the_walk_finds_the_variances_that_made_the_returns(data: Dataset) -> None:
    returns = simulate_returns()
    known = walk(returns)
    truth = np.sqrt(filter_variances(TRUTH, returns))
    ratio = known.volatility[FIRST_FIT:] / truth[FIRST_FIT:]
    assert np.median(np.abs(np.log(ratio))) < 0.08
    assert known.residuals[FIRST_FIT:].std(axis=0) == pytest.approx(np.ones(4), abs=0.08)
    assert np.isnan(known.volatility[:FIRST_FIT]).all()
    with pytest.raises(DataRejected, match="500"):
        walk(returns[:500])


def test_a_series_that_cannot_be_fitted_gets_its_own_variance() -> None:
    stale = np.zeros(800)
    stale[::50] = 0.01
    fitted = fit_or_target(np.zeros(800))
    assert fitted.unconditional == pytest.approx(1e-10)
    assert fit_or_target(stale).persistence < 1


def test_the_own_history_is_the_garch_recursion() -> None:
    history = np.random.default_rng(1).normal(0.001, 0.01, 300)
    shocks = history - history.mean()
    level = float((shocks**2).mean())
    params = GarchParams(0.0, (1 - 0.97) * level, 0.03, 0.08, 0.90, 6.0)
    wanted = np.sqrt(filter_variances(params, shocks, start=level)[-1])
    assert own_volatility(history, Dynamics(0.03, 0.08, 0.90)) == pytest.approx(wanted, rel=1e-12)


def test_means_are_believed_as_far_as_they_are_known() -> None:
    values = np.random.default_rng(2).normal(0.002, 0.01, 400)
    assert shrunk_mean(values, 0.0, 1e9) == pytest.approx(values.mean())
    assert shrunk_mean(values, 0.5, 1e-9) == pytest.approx(0.5)
    assert shrunk_mean(values[:1], 0.5, 1.0) == 0.5


def test_what_is_learnt(data: Dataset) -> None:
    fold = walk_forward(data).final
    universe = learn(data.take(fold.train), data.take(fold.validation), Params())
    assert universe.facts.names == NAMES
    assert universe.facts.sectors[0] == "Information Technology"
    assert universe.residuals.shape == (len(fold.train) * spacing(DAYS), 4)
    np.testing.assert_allclose(universe.residuals.mean(axis=0), 0, atol=1e-6)
    # The present is the last validation row's.
    np.testing.assert_array_equal(universe.volatility, data.targets["state_volatility"][fold.validation[-1]])
    assert np.median(universe.long_run[:-1]) == pytest.approx(np.sqrt(TRUTH.unconditional), rel=0.25)
    assert (np.diff(universe.lasting, axis=0) >= 0).all()
    assert (np.diff(universe.lasting, axis=1) <= 0).all()
    # These prices know neither crisis, so the S&P 500's falls come through betas around one.
    assert universe.crises[1].mean() == pytest.approx(-0.567, abs=0.1)


def test_baselines_answer_without_a_rows_outcome(data: Dataset) -> None:
    fold = walk_forward(data).folds[0]
    history = data.take(np.concatenate([fold.train, fold.validation]))
    test = data.take(fold.test)
    blind = Dataset(test.inputs, {}, test.times, test.label_times, test.entities)
    for baseline in (fhs_garch, historical_simulation, normal_garch):
        told = baseline(history, blind)["daily_risk"]
        assert told.shape == (len(test), len(COLUMN))
        assert (told < 0).all()
        assert JUDGE.loss({"daily_risk": told}, test).shape == (len(test),)


def test_long_data_are_asked_about_weekly_and_short_ones_daily() -> None:
    assert spacing(8312) == 5
    assert spacing(1090) == 1


def test_too_little_is_refused() -> None:
    single = bars_of(simulate_returns())
    with pytest.raises(DataRejected, match="2 securities"):
        build_dataset(pd.DataFrame(), single[single["entity"] == "KO"], ())
