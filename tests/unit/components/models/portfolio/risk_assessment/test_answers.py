"""What the assessment says, as claims about a universe whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from components.models.portfolio.risk_assessment.model import RiskAssessment
from components.models.portfolio.risk_assessment.schemas import OUTPUTS
from components.models.portfolio.risk_assessment.universe import Universe
from tests.unit.components.models.portfolio.risk_assessment.conftest import NAMES, ask, make_model, make_universe

EQUAL = [1 / 6] * 6


def one(model: RiskAssessment, request: dict[str, Any], output: str, column: int = 0) -> float:
    return float(model.predict(request)[output][0, column])


def test_a_day_ahead_is_the_quantile_of_the_pooled_days(still: RiskAssessment) -> None:
    u = still.member.universe  # type: ignore[attr-defined]
    weights = np.array([0.5, 0.3, 0.2])
    shocks = 100 * (u.residuals[:, :3].astype(float) @ (weights * u.volatility[:3]))
    told = still.predict(ask(["AAA", "BBB", "CCC"], weights.tolist()))["daily_risk"][0]
    np.testing.assert_allclose(told[:3], np.quantile(shocks, (0.01, 0.025, 0.05)), rtol=1e-5)
    assert told[3] == pytest.approx(np.sort(shocks)[: len(shocks) // 40].mean(), rel=1e-5)


def test_a_month_is_about_normal_when_variances_stand_still(still: RiskAssessment) -> None:
    u = still.member.universe  # type: ignore[attr-defined]
    daily = float((u.residuals.astype(float) @ (np.array(EQUAL) * u.volatility[:-1])).std())
    var = one(still, ask(list(NAMES), EQUAL), "portfolio_var_95")
    assert var == pytest.approx(-100 * 1.645 * daily * np.sqrt(21), rel=0.06)
    assert one(still, ask(list(NAMES), EQUAL), "probability_of_loss") == pytest.approx(0.5, abs=0.03)


def test_the_tail_is_ordered(model: RiskAssessment) -> None:
    out = model.predict(ask(list(NAMES), EQUAL))
    assert out["portfolio_cvar_95"][0, 0] < out["portfolio_var_95"][0, 0] < 0
    var_99, var_975, var_95, es_975 = out["daily_risk"][0]
    assert var_99 < var_975 < var_95 < 0
    assert es_975 < var_975
    assert (np.diff(out["return_quantiles"][0]) > 0).all()
    assert out["max_drawdown_forecast"][0, 0] < out["max_drawdown_forecast"][0, 1]


def test_holdings_parts_add_up_to_the_value_at_risk(model: RiskAssessment) -> None:
    out = model.predict(ask(list(NAMES), [0.4, 0.2, 0.1, 0.1, 0.1, 0.1]))
    assert out["component_var"][0].sum() == pytest.approx(out["portfolio_var_95"][0, 0], rel=1e-12)


def test_parts_of_normal_holdings_are_their_shares_of_the_variance() -> None:
    rng = np.random.default_rng(6)
    base = make_universe()
    mix = np.linalg.cholesky(0.7 * np.eye(6) + 0.3)
    normal = rng.standard_normal((40_000, 6)) @ mix.T
    index = normal.mean(axis=1)
    model = make_model(
        replace(base, residuals=normal.astype(np.float32), market=(index / index.std()).astype(np.float32)), paths=500
    )
    weights = np.array([0.4, 0.25, 0.15, 0.1, 0.06, 0.04])
    exposure = weights * base.volatility[:-1]
    shares = exposure * (mix @ mix.T @ exposure) / (exposure @ mix @ mix.T @ exposure)
    out = model.predict(ask(list(NAMES), weights.tolist()))
    np.testing.assert_allclose(out["component_var"][0] / out["portfolio_var_95"][0, 0], shares, atol=0.02)


def test_more_volatile_holdings_make_every_figure_worse(model: RiskAssessment) -> None:
    names = ["AAA", "BBB", "CCC"]
    weights = [0.4, 0.3, 0.3]
    calm, wild = (model.predict(ask(names, weights, volatility=np.full((1, 3), v))) for v in (15.0, 30.0))
    for output in ("portfolio_var_95", "portfolio_cvar_95", "expected_shortfall", "daily_risk"):
        assert (wild[output] < calm[output]).all(), output
    assert (wild["max_drawdown_forecast"] > calm["max_drawdown_forecast"]).all()
    assert wild["risk_score"] > calm["risk_score"]
    assert (wild["scenario_probability"] > calm["scenario_probability"]).all()


def test_a_volatility_index_moves_what_moves_with_the_market(model: RiskAssessment) -> None:
    vars_ = [
        one(model, ask(list(NAMES), EQUAL, conditions=np.array([[index, 0.0, 0.0]])), "portfolio_var_95")
        for index in (10.0, 20.0, 40.0)
    ]
    assert vars_[0] > vars_[1] > vars_[2]
    # At the premium over the market's own volatility it says nothing new.
    u = model.member.universe  # type: ignore[attr-defined]
    neutral = 100 * np.sqrt(252) * u.volatility[-1] * np.exp(u.facts.index_premium)
    told = one(model, ask(list(NAMES), EQUAL, conditions=np.array([[neutral, 0.0, 0.0]])), "portfolio_var_95")
    assert told == pytest.approx(one(model, ask(list(NAMES), EQUAL), "portfolio_var_95"), rel=1e-9)


def test_a_trend_tilts_the_odds(model: RiskAssessment) -> None:
    bear, none, bull = (
        one(model, ask(list(NAMES), EQUAL, conditions=np.array([[0.0, trend, 0.0]])), "probability_of_loss")
        for trend in (-1.0, 0.0, 1.0)
    )
    assert bear > none > bull


def test_correlation_decides_how_much_diversification_helps(model: RiskAssessment) -> None:
    names, weights = ["AAA", "BBB", "CCC"], [0.34, 0.33, 0.33]
    vars_ = []
    for rho in (0.0, 0.5, 0.95):
        matrix = np.full((1, 3, 3), rho)
        matrix[0][np.diag_indices(3)] = 1
        vars_.append(one(model, ask(names, weights, correlation=matrix), "daily_risk"))
    assert vars_[0] > vars_[1] > vars_[2]


def test_the_holdings_own_correlation_changes_nothing(still: RiskAssessment) -> None:
    u = still.member.universe  # type: ignore[attr-defined]
    own = np.corrcoef(u.residuals[:, :3].astype(float), rowvar=False)[None]
    request = ask(["AAA", "BBB", "CCC"], [0.4, 0.3, 0.3])
    left = still.predict(request | {"correlation": own})
    right = still.predict(request)
    np.testing.assert_allclose(left["daily_risk"], right["daily_risk"], rtol=1e-6)


def test_capacity_horizon_and_needs_move_the_score_the_right_way(model: RiskAssessment) -> None:
    def score(capacity: float, months: float, needs: float) -> float:
        return one(model, ask(list(NAMES), EQUAL, profile=np.array([[capacity, months, needs]])), "risk_score")

    assert score(0.1, 24, 0.1) > score(0.3, 24, 0.1)
    assert score(0.2, 6, 0.1) > score(0.2, 60, 0.1)
    assert score(0.2, 24, 0.5) > score(0.2, 24, 0.0)
    assert score(0.0, 24, 0.5) == 100
    # What must be realised equals what can be borne: 50.
    worst = one(model, ask(list(NAMES), EQUAL), "max_drawdown_forecast", 1) / 100
    assert score(worst, 24, 1.0) == pytest.approx(50)


def test_a_longer_horizon_makes_scenarios_more_likely(model: RiskAssessment) -> None:
    short, long = (
        model.predict(ask(list(NAMES), EQUAL, profile=np.array([[0.2, months, 0.1]])))["scenario_probability"][0]
        for months in (1.0, 12.0)
    )
    assert (short < long).all()


def test_the_market_itself_falls_ten_percent_in_a_correction_of_ten(still: RiskAssessment) -> None:
    # Equal volatilities make the equally weighted portfolio the market.
    u = still.member.universe  # type: ignore[attr-defined]
    index = u.residuals.astype(float).mean(axis=1)
    flat = replace(
        u, volatility=np.append(np.full(6, 0.01), 0.01 * index.std()), market=(index / index.std()).astype(np.float32)
    )
    told = make_model(flat, own_history=0.0).predict(ask(list(NAMES), EQUAL))
    assert told["scenario_impact"][0, 0] == pytest.approx(-10.0, rel=1e-5)


def test_stresses_replay_each_holding(model: RiskAssessment, universe: Universe) -> None:
    weights = np.array([0.4, 0.1, 0.2, 0.1, 0.1, 0.1])
    told = model.predict(ask(list(NAMES), weights.tolist()))["stress_test_results"][0]
    np.testing.assert_allclose(told[:2], 100 * universe.crises[:2] @ weights)
    # Energy is the heaviest sector: AAA and BBB.
    assert told[2] == pytest.approx(100 * universe.crises[2, :2] @ weights[:2])


def test_standard_errors_are_what_other_seeds_show(universe: Universe) -> None:
    request = ask(list(NAMES), EQUAL)
    told = [make_model(universe, seed=seed, paths=1000).predict(request) for seed in range(20)]
    spread = np.std([t["portfolio_var_95"][0, 0] for t in told])
    assert np.mean([t["standard_errors"][0, 0] for t in told]) == pytest.approx(spread, rel=0.5)


def test_empty_slots_change_nothing(model: RiskAssessment) -> None:
    alone = model.predict(ask(["AAA", "CCC"], [0.6, 0.4]))
    padded = model.predict(ask(["AAA", "", "CCC", ""], [0.6, 0.0, 0.4, 0.0]))
    for tensor in OUTPUTS.tensors:
        if tensor.datatype != "BYTES" and not tensor.variable:
            np.testing.assert_allclose(padded[tensor.name], alone[tensor.name], rtol=1e-12, err_msg=tensor.name)
    np.testing.assert_allclose(padded["component_var"][0, [0, 2]], alone["component_var"][0], rtol=1e-12)
    assert padded["component_var"][0, [1, 3]].tolist() == [0, 0]


def test_one_holding_and_five_hundred(model: RiskAssessment) -> None:
    single = model.predict(ask(["FFF"], [1.0]))
    assert single["component_var"][0] == pytest.approx(single["portfolio_var_95"][0])
    many = tuple(f"S{i}" for i in range(500))
    wide = make_model(make_universe(many, ("Energy", "IT") * 250), paths=200)
    out = wide.predict(ask(list(many), [1 / 500] * 500))
    assert out["component_var"].shape == (1, 500)
    assert out["component_var"][0].sum() == pytest.approx(out["portfolio_var_95"][0, 0])


def test_it_is_the_same_after_saving(model: RiskAssessment, tmp_path: Any) -> None:
    request = ask(list(NAMES), EQUAL)
    model.save(tmp_path)
    again = RiskAssessment.load(tmp_path).predict(request)
    for name, values in model.predict(request).items():
        np.testing.assert_array_equal(again[name], values, err_msg=name)


def test_an_index_changes_volatilities_not_what_a_fall_of_the_market_does(model: RiskAssessment) -> None:
    asked = {index: ask(["AAA", "CCC"], [0.5, 0.5], conditions=np.array([[index, 0.0, 0.0]])) for index in (0, 10, 60)}
    for column in (0, 1):
        unsaid, calm, wild = (one(model, request, "scenario_impact", column) for request in asked.values())
        assert calm == pytest.approx(unsaid, rel=1e-5)
        assert wild == pytest.approx(unsaid, rel=1e-5)
    assert one(model, asked[60], "portfolio_var_95") < one(model, asked[10], "portfolio_var_95")


@pytest.mark.parametrize("column", [0, 2])
def test_a_volatility_next_to_unknown_is_unknown(model: RiskAssessment, column: int) -> None:
    """An explainer moves a 0 a little, and is to see that nothing happens."""
    asked = []
    for value in (0.0, 1e-9, 0.8, 20.0):
        conditions = np.zeros((1, 3))
        conditions[0, column] = value
        asked.append(one(model, ask(["AAA", "CCC"], [0.5, 0.5], conditions=conditions), "portfolio_var_95"))
    assert asked[0] == asked[1] == asked[2] != asked[3]
