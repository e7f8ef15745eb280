"""Actions change what follows from them, consistently, and leave alone whom they do not concern."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.data.dataset import Dataset
from components.models.contract import FloatArray
from components.models.portfolio.portfolio_health.actions import ACTIONS, IMPROVING, scenes, targets
from components.models.portfolio.portfolio_health.columns import (
    AT_CLASSES,
    AT_SECTORS,
    FEATURES,
    INDEX,
    NAMES,
    SIGNS,
    value,
)

NUMBER = {action.name: 1 + i for i, action in enumerate(ACTIONS)}
LOW = np.array([c.minimum for c in FEATURES], dtype=np.float64)
HIGH = np.array([c.maximum for c in FEATURES], dtype=np.float64)


def portfolio(**changes: float) -> FloatArray:
    """Ten equal holdings, five in each of two sectors; equity 70, debt 20, cash 10."""
    usual = {
        "total_value": 1e6,
        "num_holdings": 10,
        "sector_concentration_1": 50,
        "sector_concentration_2": 50,
        "equity_percent": 70,
        "debt_percent": 20,
        "cash_percent": 10,
        "portfolio_beta": 0.7,
        "max_drawdown": 21,
        "volatility": 14,
        "herfindahl_index": 0.1,
        "num_sectors": 2,
        "num_asset_classes": 3,
        "age": 40,
        "risk_profile": 1,
        "investment_horizon": 120,
    } | changes
    return np.array([[usual.get(name, 0.0) for name in NAMES]], dtype=np.float64)


def after(name: str, features: FloatArray) -> dict[str, float]:
    return dict(zip(NAMES, scenes(features)[0, NUMBER[name]].tolist(), strict=True))


def test_every_action_applies_to_some_portfolios_and_not_to_others(dataset: Dataset) -> None:
    x = dataset.inputs["features"]
    changed = (scenes(x)[:, 1:] != x[:, None]).any(axis=2).mean(axis=0)
    for action, share in zip(ACTIONS, changed.tolist(), strict=True):
        assert 0.02 < share < 0.99, action.name


def test_changed_portfolios_are_portfolios(dataset: Dataset) -> None:
    seen = scenes(dataset.inputs["features"]).reshape(-1, len(NAMES))
    np.testing.assert_allclose(seen[:, AT_CLASSES].sum(axis=1), 100, atol=1e-6)
    assert (seen[:, AT_CLASSES] >= 0).all()
    assert (np.diff(seen[:, AT_SECTORS], axis=1) <= 1e-9).all()
    assert (seen[:, AT_SECTORS].sum(axis=1) <= 100 + 1e-6).all()
    index, holdings = value(seen, "herfindahl_index"), value(seen, "num_holdings")
    assert (index >= 1 / holdings - 1e-9).all()
    assert (index <= 1 + 1e-9).all()
    np.testing.assert_array_equal((seen[:, AT_CLASSES] > 1e-9).sum(axis=1), value(seen, "num_asset_classes"))
    assert (seen >= LOW).all()
    assert (seen <= HIGH).all()


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from([0.0, 0.001, 0.1, 0.5, 1.0]), min_size=len(FEATURES), max_size=len(FEATURES)))
def test_no_portfolio_within_the_bounds_breaks_an_action(row: list[float]) -> None:
    """Explainers ask about portfolios that cannot be: no sectors but shares, one holding with an even index."""
    seen = scenes((LOW + np.array(row) * (HIGH - LOW))[None])
    assert np.isfinite(seen).all()
    assert (value(seen, "herfindahl_index") > 0).all()
    assert (value(seen, "num_holdings") >= 1).all()


@pytest.mark.parametrize("name", IMPROVING)
def test_improving_actions_move_signed_columns_for_the_better_only(dataset: Dataset, name: str) -> None:
    x = dataset.inputs["features"]
    moved = scenes(x)[:, NUMBER[name]] - x
    assert (moved[:, SIGNS == 0] == 0).all()
    assert (moved * SIGNS >= 0).all()


def test_reducing_a_sector_keeps_the_sum_and_lowers_the_index() -> None:
    """Sectors of 60, 30 and 10 become 33, 50 and 17; the index falls as the squares of the sectors do."""
    base = portfolio(sector_concentration_1=60, sector_concentration_2=30, sector_concentration_3=10, num_sectors=3)
    base[0, INDEX["herfindahl_index"]] = 0.2
    changed = after("reduce_largest_sector", base)
    assert [changed[f"sector_concentration_{i}"] for i in (1, 2, 3)] == pytest.approx([50, 100 / 3, 50 / 3])
    squares = (50**2 + (100 / 3) ** 2 + (50 / 3) ** 2) / (60**2 + 30**2 + 10**2)
    assert changed["herfindahl_index"] == pytest.approx(0.2 * squares)


def test_even_holdings_stay_even_when_holdings_are_added_or_merged() -> None:
    more, fewer = after("add_holdings", portfolio()), after("consolidate_holdings", portfolio())
    assert (more["num_holdings"], more["herfindahl_index"]) == pytest.approx((15, 1 / 15))
    assert (fewer["num_holdings"], fewer["herfindahl_index"]) == pytest.approx((5, 1 / 5))


def test_new_sectors_come_from_all_in_proportion() -> None:
    changed = after("add_sectors", portfolio())
    assert [changed[f"sector_concentration_{i}"] for i in range(1, 6)] == pytest.approx([25, 25, 25, 25, 0])
    assert changed["num_sectors"] == 4
    assert changed["num_holdings"] == 12


def test_less_equity_is_less_risk_in_proportion() -> None:
    changed = after("equity_to_debt_20", portfolio())
    assert (changed["equity_percent"], changed["debt_percent"]) == pytest.approx((50, 40))
    for name, before in (("volatility", 14), ("max_drawdown", 21), ("portfolio_beta", 0.7)):
        assert changed[name] == pytest.approx(before * 50 / 70), name


def test_cash_is_deployed_down_to_the_reserve() -> None:
    changed = after("deploy_cash", portfolio())
    assert changed["cash_percent"] == pytest.approx(5)
    assert changed["equity_percent"] == pytest.approx(70 + 5 * 70 / 90)
    assert changed["volatility"] > 14


def test_a_class_that_is_missing_is_opened() -> None:
    changed = after("add_asset_class", portfolio())
    assert (changed["gold_percent"], changed["equity_percent"], changed["num_asset_classes"]) == (10, 60, 4)
    assert after("add_asset_class", portfolio(gold_percent=5, cash_percent=5))["num_asset_classes"] == 3


def test_one_holding_in_one_sector_can_only_widen() -> None:
    one = portfolio(num_holdings=1, herfindahl_index=1, num_sectors=1, sector_concentration_1=100)
    one[0, INDEX["sector_concentration_2"]] = 0
    assert after("reduce_largest_sector", one) == dict(zip(NAMES, one[0].tolist(), strict=True))
    assert after("spread_holdings", one)["herfindahl_index"] == 1
    assert after("add_holdings", one)["herfindahl_index"] == pytest.approx(1 / 6)


def test_targets_are_the_new_values_of_the_actions_columns() -> None:
    told = dict(zip(NUMBER, targets(scenes(portfolio()))[0].tolist(), strict=True))
    assert told["equity_to_debt_10"] == 60
    assert told["deploy_cash"] == 5
    assert told["consolidate_holdings"] == 5
