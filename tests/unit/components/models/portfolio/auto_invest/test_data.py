"""The dataset: nothing of the future in it, and the days can be put together again."""

import numpy as np
import pandas as pd
import pytest

from components.data.dataset import Dataset
from components.data.panel import build_panel
from components.errors import DataRejected
from components.models.portfolio.auto_invest.data import AHEAD, PROFILES, build_dataset, recover
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.question import Known, read
from components.models.portfolio.auto_invest.schemas import INPUTS
from components.models.portfolio.auto_invest.signals import LOOKBACK, MARKET, TRAITS

NOTHING = pd.DataFrame()


@pytest.fixture(scope="module")
def data(bars: pd.DataFrame) -> Dataset:
    return build_dataset(NOTHING, bars, ("1_month",))


def test_rows_fit_the_schema_and_every_question_can_be_read(data: Dataset) -> None:
    INPUTS.validate(data.inputs)
    names = tuple(sorted(set(data.inputs["security_id"].ravel()) - {""}))
    known = Known(names, ("A",) * len(names), np.zeros((len(names), len(TRAITS))), np.zeros(len(MARKET)))
    clean = {**data.inputs, "limit_sector": np.full_like(data.inputs["limit_sector"], "")}
    for row in range(12):
        question = read(clean, row, known, Params())
        assert len(question.place) == np.count_nonzero(data.inputs["security_id"][row] != "")
    assert set(data.entities) == set(PROFILES)


def test_a_changed_future_changes_no_input(bars: pd.DataFrame, data: Dataset) -> None:
    cut = data.times[len(data) // 2]
    other = bars.copy()
    later = other["timestamp"].to_numpy("datetime64[ns]") > cut
    other.loc[later, "close"] *= np.random.default_rng(1).uniform(0.5, 1.5, int(later.sum()))
    again = build_dataset(NOTHING, other, ("1_month",))
    known = data.times <= cut
    for name, values in data.inputs.items():
        np.testing.assert_array_equal(values[known], again.inputs[name][known], err_msg=name)
    assert not np.array_equal(data.inputs["momentum"][~known], again.inputs["momentum"][~known])


def test_outcomes_are_the_panels_returns_and_become_known_when_they_say(bars: pd.DataFrame, data: Dataset) -> None:
    panel = build_panel(bars)
    row = int(np.flatnonzero(data.entities == PROFILES[0])[5])
    day = int(np.searchsorted(panel.times, data.times[row]))
    grown = np.prod(1 + data.targets["daily_return"][row], axis=0)
    np.testing.assert_allclose(grown, panel.close[day + AHEAD] / panel.close[day], rtol=1e-12)
    assert data.label_times[row] == panel.times[day + AHEAD]
    assert data.targets["day"][row, -1] == panel.times[day + AHEAD].astype("datetime64[D]").astype(int)


def test_the_days_are_recovered_once_each(bars: pd.DataFrame, data: Dataset) -> None:
    panel, history = build_panel(bars), recover(data)
    first = int(np.searchsorted(panel.times, data.times[0]))
    last = int(np.searchsorted(panel.times, data.label_times[-1]))
    np.testing.assert_allclose(history.close, panel.close[first : last + 1] / panel.close[first], rtol=1e-10)
    assert history.names == panel.names


def test_too_short_a_panel_is_refused(bars: pd.DataFrame) -> None:
    early = bars[bars["timestamp"] < bars["timestamp"].min() + pd.Timedelta(days=LOOKBACK)]
    with pytest.raises(DataRejected, match="at least 294 days"):
        build_dataset(NOTHING, early, ("1_month",))
