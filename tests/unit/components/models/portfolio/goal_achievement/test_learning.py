"""What is learnt, on savers and markets whose truth is known; and that nothing is known too early."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from components.data.dataset import Dataset
from components.errors import DataRejected
from components.finance.goals import wealth_path
from components.models.portfolio.goal_achievement.behaviour import FEATURES, behaviour_features
from components.models.portfolio.goal_achievement.beliefs import Beliefs, fit_beliefs
from components.models.portfolio.goal_achievement.calibration import calibration_error
from components.models.portfolio.goal_achievement.contributions import Calendar, contribution_index, fit_calendar
from components.models.portfolio.goal_achievement.data import MonthlyPanel, build_dataset
from components.models.portfolio.goal_achievement.model import GoalAchievement
from components.models.portfolio.goal_achievement.savers import BONUS_MONTHS, simulate_savers

ROWS = 500


def test_no_input_changes_when_the_future_does(bars: pd.DataFrame, dataset: Dataset) -> None:
    cut = np.datetime64("2005-01-01")
    changed = bars.copy()
    changed.loc[changed["timestamp"] > cut, ["open", "high", "low", "close"]] *= 3.0
    other = build_dataset(None, changed, ("target_date",), savers=ROWS)
    before = dataset.times < cut
    for name, values in dataset.inputs.items():
        np.testing.assert_array_equal(values[before], other.inputs[name][before], err_msg=name)
    late = before & (dataset.label_times > cut)
    assert (dataset.targets["amount"][late] != other.targets["amount"][late]).any()


def test_labels_are_known_when_the_goal_is_due(dataset: Dataset) -> None:
    months = dataset.label_times.astype("datetime64[M]") - dataset.times.astype("datetime64[M]")
    np.testing.assert_array_equal(months.astype(int), dataset.inputs["goal"][:, 2])
    due = dataset.label_times.astype("datetime64[M]").astype(int) % 12 + 1
    np.testing.assert_array_equal(due, dataset.inputs["goal"][:, 3])


def test_targets_agree_with_each_other(dataset: Dataset) -> None:
    reached = dataset.targets["amount"] >= dataset.inputs["goal"][:, :1]
    np.testing.assert_array_equal(reached, dataset.targets["reached"] > 0)
    assert 0.2 < reached.mean() < 0.8


def test_a_lump_sum_earns_what_its_log_growth_says(bars: pd.DataFrame) -> None:
    panel = MonthlyPanel.of(bars)
    wealth = wealth_path(1.0, np.zeros(len(panel.returns)), panel.returns[:, 0])
    closes = bars[bars["entity"] == "S0"].sort_values("timestamp")["close"].to_numpy()
    assert wealth[-1] == pytest.approx(closes[-2] / closes[0], rel=1e-9)


def test_a_short_panel_is_refused(bars: pd.DataFrame) -> None:
    with pytest.raises(DataRejected, match="at least 36"):
        MonthlyPanel.of(bars[bars["timestamp"] < "1996-06-01"])


def test_savers_pay_bonuses_when_the_simulator_says(dataset: Dataset) -> None:
    savers = simulate_savers(np.full(4000, 1), 60, 24, np.random.default_rng(1))
    by_month = savers.paid.reshape(4000, 5, 12).sum(axis=(0, 1))
    assert np.argmax(by_month) == np.argmax(BONUS_MONTHS)


def test_a_savers_history_does_not_tell_the_future_of_payments() -> None:
    """Two runs that differ only in length agree on the past: nothing later is looked at."""
    for months in (40, 60):
        savers = simulate_savers(np.full(2000, 4), months, 24, np.random.default_rng(9))
        half = (savers.paid > 0) & (savers.paid < 0.6 * savers.planned)
        gone = savers.paid[:, 24:].sum(axis=1) == 0
        # Had half payments been given only to savers who return, those who never return would have none.
        assert half[gone, :24].any()


def test_prophet_finds_the_season_that_is_there() -> None:
    generator, season = np.random.default_rng(2), 1 + 0.3 * np.cos(2 * np.pi * (np.arange(12) - 2) / 12)
    rows = 400
    times = np.datetime64("2001-01-31", "D") + generator.integers(0, 8 * 365, rows).astype("timedelta64[D]")
    month = times.astype("datetime64[M]").astype(int)[:, None] - np.arange(23, -1, -1)
    paid = generator.lognormal(9, 1, (rows, 1)) * season[month % 12] * generator.normal(1, 0.05, (rows, 24))
    order = np.argsort(times)
    data = Dataset(
        {"contributions": paid[order], "history": np.tile([24.0, 0.0, 0.0], (rows, 1))},
        {},
        times[order].astype("datetime64[ns]"),
        times[order].astype("datetime64[ns]"),
        np.full(rows, "s", dtype=object),
    )
    months, index = contribution_index(data)
    assert len(months) == len(index) > 90
    calendar = fit_calendar(data)
    np.testing.assert_allclose(calendar.season, season / season.mean(), atol=0.06)
    assert abs(calendar.growth) < 0.02


def test_the_shape_of_payments_follows_the_calendar() -> None:
    season = tuple(1.5 if m == 2 else 10.5 / 11 for m in range(12))
    shape = Calendar(season, 0.0).shape(target_month=5, months=14)
    assert shape.mean() == pytest.approx(1.0)
    # The last payment falls into May, so the Marches are two and fourteen months before it.
    assert sorted(np.argsort(shape)[-1:].tolist()) == [11]
    assert Calendar(season, 0.1).shape(5, 60)[-1] > Calendar(season, 0.0).shape(5, 60)[-1]


def test_features_of_payments_do_not_depend_on_their_unit(question: dict[str, np.ndarray]) -> None:
    question["contributions"][0, 10] = 0.0
    rate = np.array([0.05])
    plain = behaviour_features(question, rate)
    scaled = {**question, "contributions": 7 * question["contributions"]}
    np.testing.assert_allclose(behaviour_features(scaled, rate), plain, rtol=1e-12)
    assert plain.shape == (1, len(FEATURES))


def test_a_longer_history_counts_for_more(question: dict[str, np.ndarray]) -> None:
    beliefs = Beliefs()
    sigma = np.array([0.15])
    question["portfolio_returns"][:] = 3.0
    got = []
    for months in (0.0, 6.0, 24.0):
        question["history"][0, 1] = months
        got.append(float(beliefs.log_growth(question, sigma)[0]))
    assert got == sorted(got)
    assert got[0] < got[2]


def test_a_rejected_assumption_has_no_weight(question: dict[str, np.ndarray]) -> None:
    beliefs, sigma = Beliefs(), np.array([0.15])
    question["given"][0, 0] = 0.0
    plain = beliefs.log_growth(question, sigma)
    question["assumptions"][0, 0] = 90.0
    np.testing.assert_array_equal(beliefs.log_growth(question, sigma), plain)


def test_what_is_learnt_of_the_market_is_near_its_truth(dataset: Dataset) -> None:
    beliefs = fit_beliefs(dataset, 10.0)
    # Portfolios hold 30 to 100 % of securities with a log drift of 0.096 and about 14 to 18 % volatility.
    assert 0.03 < beliefs.growth < 0.15
    assert 0.05 < np.exp(beliefs.log_volatility) < 0.18
    assert beliefs.inflation == pytest.approx(0.05, abs=0.005)


def test_the_trees_tell_who_stopped_from_who_pays(model: GoalAchievement, question: dict[str, np.ndarray]) -> None:
    steady = model.predict(question)["assumed"][0, 3]
    stopped = {**question, "contributions": question["contributions"].copy(), "history": question["history"].copy()}
    stopped["contributions"][0, 12:] = 0.0
    stopped["history"][0, 2] = 0.4
    assert model.predict(stopped)["assumed"][0, 3] < 0.7 * steady


def test_perfect_probabilities_have_hardly_any_calibration_error() -> None:
    generator = np.random.default_rng(4)
    chance = generator.random(4000)
    assert calibration_error(chance, generator.random(4000) < chance) < 0.02
    assert calibration_error(chance, generator.random(4000) < np.clip(chance - 0.2, 0, 1)) > 0.12


def test_the_default_beliefs_survive_a_round_trip() -> None:
    told = replace(Beliefs(), growth=0.123)
    assert Beliefs.from_dict(told.to_dict()) == told
