"""The optimiser's dataset knows nothing of the future, and asks only what can be answered."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from components.data.embedded_stocks import bars as stock_bars
from components.data.panel import build_panel
from components.errors import DataRejected
from components.models.portfolio.portfolio_optimizer.data import FREE, LIMITED, build_dataset
from components.models.portfolio.portfolio_optimizer.judge import JUDGE, broken
from components.models.portfolio.portfolio_optimizer.model import PortfolioOptimizer
from components.models.portfolio.portfolio_optimizer.params import METHODS
from components.models.portfolio.portfolio_optimizer.universe import Universe

NONE = pd.DataFrame()


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    frame = stock_bars()
    return frame[frame["timestamp"] >= "2018-01-01"]


@pytest.fixture(scope="module")
def model() -> PortfolioOptimizer:
    return PortfolioOptimizer()


def test_rows_fit_the_schema_and_come_in_pairs(bars: pd.DataFrame, model: PortfolioOptimizer) -> None:
    data = build_dataset(NONE, bars, ())
    model.input_schema.validate(data.inputs)
    assert set(data.entities) == {FREE, LIMITED}
    assert (data.times[::2] == data.times[1::2]).all()
    assert set(data.inputs["method"]) <= set(METHODS)


def test_history_ends_where_the_outcome_begins(bars: pd.DataFrame) -> None:
    data = build_dataset(NONE, bars, ())
    panel = build_panel(bars)
    for row in (0, len(data) - 2):
        at = int(np.searchsorted(panel.times, data.times[row]))
        np.testing.assert_array_equal(data.inputs["history"][row], panel.returns[at - 252 : at])
        np.testing.assert_array_equal(data.targets["next_returns"][row], panel.returns[at : at + 21])
        assert data.label_times[row] == panel.times[at + 21]


def test_the_future_changes_no_question(bars: pd.DataFrame) -> None:
    whole = build_dataset(NONE, bars, ())
    until = whole.times[20]
    later = bars["timestamp"] > until
    prices = ["open", "high", "low", "close"]
    shaken = bars.copy()
    shaken.loc[later, prices] = shaken.loc[later, prices].mul(np.where(np.arange(later.sum()) % 2, 1.5, 0.5), axis=0)
    other = build_dataset(NONE, shaken, ())
    known = whole.times <= until
    for name, values in whole.inputs.items():
        np.testing.assert_array_equal(other.inputs[name][known], values[known], err_msg=name)
    assert not np.array_equal(other.targets["next_returns"][known], whole.targets["next_returns"][known])


def test_every_random_question_has_an_answer_that_meets_it(bars: pd.DataFrame, model: PortfolioOptimizer) -> None:
    data = build_dataset(NONE, bars, ())
    part = data.take(np.flatnonzero(data.entities == LIMITED)[:24])
    member = PortfolioOptimizer.Member(PortfolioOptimizer.Params())
    answers = member.answer(part.inputs)  # type: ignore[attr-defined]
    assert broken(answers["weight"], part) == []


def test_baselines_hold_only_what_is_named(bars: pd.DataFrame) -> None:
    data = build_dataset(NONE, bars, ())
    held = data.inputs["security_id"] != ""
    for name, baseline in JUDGE.baselines.items():
        weights = baseline(data, data)["weight"]
        np.testing.assert_allclose(weights.sum(axis=1), 1, err_msg=name)
        assert (weights[~held] == 0).all(), name
        assert np.isfinite(JUDGE.loss({"weight": weights}, data)).all()


def test_the_universe_is_the_newest_year_of_everything_that_is_known(bars: pd.DataFrame) -> None:
    data = build_dataset(NONE, bars, ())
    part = data.take(np.arange(20))
    universe, panel = Universe.newest(part), build_panel(bars)
    end = int(np.searchsorted(panel.times, part.label_times.max()))
    assert universe.names == panel.names
    np.testing.assert_array_equal(universe.returns, panel.returns[end - 252 : end])
    assert universe.until == str(panel.times[end])[:10]


def test_too_little_is_refused(bars: pd.DataFrame) -> None:
    with pytest.raises(DataRejected, match="20 securities with"):
        build_dataset(NONE, bars[bars["timestamp"] < "2018-09-01"], ())
    with pytest.raises(DataRejected, match="2 securities"):
        build_dataset(NONE, bars[bars["entity"].isin(["AAPL", "JPM"])], ())
