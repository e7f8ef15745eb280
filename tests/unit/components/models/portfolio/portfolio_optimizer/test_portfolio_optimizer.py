"""The portfolio optimiser against closed forms, invariants and known truth; what it refuses; what it may not know."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skfolio.exceptions import SolverError

from components.data.dataset import Dataset
from components.errors import InvalidRequest
from components.models.portfolio.portfolio_optimizer import allocate, measures
from components.models.portfolio.portfolio_optimizer.confidence import Calibration, bootstrap_share
from components.models.portfolio.portfolio_optimizer.estimate import estimate
from components.models.portfolio.portfolio_optimizer.judge import broken, daily, turnovers
from components.models.portfolio.portfolio_optimizer.model import Optimiser, PortfolioOptimizer
from components.models.portfolio.portfolio_optimizer.outcome import drifted, held_returns, realised_variance
from components.models.portfolio.portfolio_optimizer.params import FRONTIER, MAX_SECTORS, METHODS, YEAR
from components.models.portfolio.portfolio_optimizer.universe import Universe

NAMES = ("AAPL", "MSFT", "JPM", "BAC", "XOM", "CVX", "JNJ", "PFE")
DEVIATIONS = np.array([0.02, 0.018, 0.016, 0.019, 0.015, 0.014, 0.01, 0.011])
LIMITS = {"max_positions": 0.0, "turnover_limit": 1.0, "transaction_cost_bp": 10.0, "risk_aversion": 5.0}


def simulated(days: int = 252, seed: int = 0, size: int = len(NAMES)) -> np.ndarray:
    """Returns of a market and of each security alone, of known variances."""
    generator = np.random.default_rng(seed)
    own = DEVIATIONS[:size] * generator.standard_normal((days, size))
    return 0.0003 + own + 0.006 * generator.standard_normal((days, 1))


HISTORY = simulated()
UNIVERSE = Universe(NAMES, HISTORY, "2025-11-12")


def served() -> Optimiser:
    member = Optimiser()
    member.universe = UNIVERSE
    return member


MEMBER = served()


def ask(names: tuple[str, ...] = NAMES, **given: Any) -> dict[str, np.ndarray]:
    """One question; limits and tensors by name."""
    size = len(names)
    limits = {**LIMITS, "portfolio_value": 1e6} | {
        k: given.pop(k) for k in list(given) if k in LIMITS or k == "portfolio_value"
    }
    sectors = given.pop("sectors", {})
    padding = MAX_SECTORS - len(sectors)
    tensors: dict[str, Any] = {
        "security_id": np.array([names], dtype=object),
        "current_weight": np.full((1, size), 1 / size),
        "min_weight": np.zeros((1, size)),
        "max_weight": np.ones((1, size)),
        "view": np.zeros((1, size)),
        "view_confidence": np.zeros((1, size)),
        "method": np.array([given.pop("method", "min_variance")], dtype=object),
        "constraints": np.array([list(limits.values())], dtype=np.float64),
        "sector_name": np.array([[*sectors, *[""] * padding]], dtype=object),
        "sector_limit": np.array([[*sectors.values(), *[0.0] * padding]], dtype=np.float64),
        "history": np.empty((1, 252, 0)),
    }
    for name, value in given.items():
        array = np.asarray(value, dtype=np.float64)
        tensors[name] = array[None] if array.ndim else np.full((1, size), float(array))
    return tensors


def answer(names: tuple[str, ...] = NAMES, **given: Any) -> dict[str, Any]:
    return {name: values[0] for name, values in MEMBER.answer(ask(names, **given)).items()}


def as_rows(inputs: dict[str, np.ndarray]) -> Dataset:
    times = np.array(["2025-11-12"], dtype="datetime64[ns]")
    return Dataset(inputs, {}, times, times, np.array(["x"], dtype=object))


def test_minimum_variance_without_active_limits_is_the_closed_form() -> None:
    covariance = estimate(HISTORY).covariance
    inverse = np.linalg.solve(covariance, np.ones(len(NAMES)))
    exact = inverse / inverse.sum()
    assert (exact > 0).all()  # or the closed form would not be long-only's
    np.testing.assert_allclose(answer()["weight"], exact, atol=1e-5)


def test_two_uncorrelated_securities_are_held_in_inverse_proportion_to_their_variance() -> None:
    time = np.arange(252)
    history = np.column_stack([0.01 * np.where(time % 2, 1, -1), 0.02 * np.where(time // 2 % 2, 1, -1)])
    got = answer(("A", "B"), history=history)
    np.testing.assert_allclose(got["weight"], [0.8, 0.2], atol=1e-4)


def test_equal_risk_splits_the_volatility_equally() -> None:
    parts = answer(method="equal_risk")["risk_contribution"]
    np.testing.assert_allclose(parts, parts.mean(), rtol=2e-3)


def test_maximum_diversification_has_the_largest_ratio() -> None:
    best = answer(method="max_diversification")["diversification_ratio"]
    assert best > 1
    for method in METHODS:
        assert answer(method=method)["diversification_ratio"] <= best + 1e-6


def test_cvar_has_the_smallest_loss_in_the_tail() -> None:
    best = answer(method="cvar")["cvar_95"]
    for method in METHODS:
        assert answer(method=method)["cvar_95"] <= best + 1e-6


def test_black_litterman_without_views_keeps_what_is_held() -> None:
    held = np.array([0.05, 0.1, 0.15, 0.1, 0.2, 0.1, 0.2, 0.1])
    got = answer(method="black_litterman", current_weight=held)
    np.testing.assert_allclose(got["weight"], held, atol=1e-4)
    assert got["turnover"] < 1e-3


@pytest.mark.parametrize(("expected", "sign"), [(0.6, 1), (-0.6, -1)])
def test_a_view_moves_its_security_the_way_it_says_and_further_the_surer_it_is(expected: float, sign: int) -> None:
    changes = []
    for confidence in (0.1, 0.4):
        view, sure = np.zeros(8), np.zeros(8)
        view[2], sure[2] = expected, confidence
        got = answer(method="black_litterman", view=view, view_confidence=sure)
        changes.append(sign * (got["weight"][2] - 1 / 8))
    assert 0 < changes[0] <= changes[1]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_meets_every_limit(method: str) -> None:
    low = np.zeros(8)
    low[0] = 0.05
    inputs = ask(
        method=method,
        min_weight=low,
        max_weight=0.3,
        sectors={"Health Care": 0.35, "Energy": 0.2},
        max_positions=6.0,
        turnover_limit=0.4,
    )
    out = MEMBER.answer(inputs)
    assert broken(out["weight"], as_rows(inputs)) == []
    assert out["fallback_step"][0] == 0
    assert out["turnover"][0] <= 0.4 + 1e-5
    assert (out["weight"][0] > 1e-4).sum() <= 6


def test_the_judge_sees_a_broken_limit() -> None:
    inputs = ask(max_weight=0.2, max_positions=3.0, turnover_limit=0.1, sectors={"Energy": 0.1})
    weights = np.array([[0.5, 0.1, 0.1, 0.1, 0.1, 0.1, 0.0, 0.1]])
    told = " ".join(broken(weights, as_rows(inputs)))
    for name in ("sum to one", "max_weight", "max_positions", "turnover_limit", "sector_limit"):
        assert name in told


@pytest.mark.parametrize("method", METHODS)
def test_risk_contributions_add_up_to_the_volatility(method: str) -> None:
    got = answer(method=method)
    assert got["risk_contribution"].sum() == pytest.approx(got["expected_volatility"], rel=1e-9)


def test_no_portfolio_within_the_limits_is_calmer() -> None:
    got = answer(max_weight=0.3)
    covariance = estimate(HISTORY).covariance
    generator = np.random.default_rng(3)
    others = generator.dirichlet(np.ones(8), 4000)
    others = others[(others <= 0.3).all(axis=1)]
    assert len(others) > 100
    assert min(measures.volatility(w, covariance) for w in others) >= got["expected_volatility"] - 1e-6


def test_the_frontier_starts_at_the_least_variance_and_ends_at_the_largest_return() -> None:
    got = answer()
    points = got["frontier"]
    assert points.shape == (FRONTIER, 2)
    assert points[0, 0] == pytest.approx(got["expected_volatility"], rel=1e-4)
    assert points[-1, 1] == pytest.approx(YEAR * estimate(HISTORY).mean.max(), rel=1e-4)
    assert (np.diff(points, axis=0) >= -1e-7).all()
    chords = np.diff(points[:, 1]) / np.maximum(np.diff(points[:, 0]), 1e-12)
    assert (np.diff(chords) <= 1e-3).all()  # concave


def test_trades_are_the_change_of_weights_and_cost_what_is_traded() -> None:
    got = answer(portfolio_value=500_000.0, transaction_cost_bp=20.0)
    np.testing.assert_allclose(got["trade"], (got["weight"] - 1 / 8) * 500_000)
    assert got["trade"].sum() == pytest.approx(0, abs=10)
    assert got["cost"] == pytest.approx(np.abs(got["weight"] - 1 / 8).sum() * 20e-4)
    assert got["turnover"] == pytest.approx(np.abs(got["weight"] - 1 / 8).sum() / 2)


def test_cash_is_invested_and_all_of_it_changes_hands() -> None:
    got = answer(current_weight=0.0)
    assert got["turnover"] == pytest.approx(1)
    assert got["trade"].sum() == pytest.approx(1e6)


def test_rebalancing_pays_when_it_costs_little_and_not_when_it_costs_much() -> None:
    assert answer(transaction_cost_bp=1.0)["rebalance"]
    dear = answer(transaction_cost_bp=1000.0)
    assert not dear["rebalance"]
    assert dear["yearly_gain"] > 0
    assert not answer(current_weight=answer()["weight"])["yearly_gain"] > 1e-6


def test_the_tail_s_mean_is_counted_by_hand() -> None:
    days = np.arange(252) / 1000 - 0.1
    tail = 0.05 * 252
    by_hand = (days[:12].sum() + (tail - 12) * days[12]) / tail
    assert measures.cvar(days[::-1, None], np.ones(1)) == pytest.approx(by_hand)


def test_one_holding_is_kept_whole() -> None:
    got = answer(("XOM",))
    assert got["weight"] == pytest.approx([1.0])
    assert got["diversification_ratio"] == pytest.approx(1)
    assert got["equal_weight_volatility"] == pytest.approx(got["expected_volatility"])


def test_identical_securities_are_no_obstacle() -> None:
    twins = np.column_stack([HISTORY[:, 0], HISTORY[:, 0]])
    for method in METHODS:
        got = answer(("A", "B"), method=method, history=twins)
        assert np.isfinite(got["frontier"]).all()
        assert got["weight"].sum() == pytest.approx(1)
    three = np.column_stack([twins, HISTORY[:, 6]])
    got = answer(("A", "B", "C"), history=three)
    assert got["weight"][0] == pytest.approx(got["weight"][1], abs=1e-3)


def test_a_hundred_securities_of_a_year_are_optimised() -> None:
    names = tuple(f"S{i}" for i in range(100))
    history = np.random.default_rng(1).standard_normal((252, 100)) * 0.01
    assert answer(names, history=history)["weight"].sum() == pytest.approx(1)


def test_padding_changes_nothing() -> None:
    padded = (*NAMES[:5], "", "", "")
    short = answer(NAMES[:5], max_weight=0.4, history=HISTORY[:, :5])
    current, limit = np.array([0.2] * 5 + [0.0] * 3), np.array([0.4] * 5 + [0.0] * 3)
    history = np.pad(HISTORY[:, :5], ((0, 0), (0, 3)))
    long = answer(padded, current_weight=current, max_weight=limit, history=history)
    np.testing.assert_array_equal(long["weight"][:5], short["weight"])
    np.testing.assert_array_equal(long["weight"][5:], 0)
    assert long["expected_volatility"] == short["expected_volatility"]


def test_the_universe_stands_in_for_a_history_and_names_its_columns() -> None:
    order = (5, 0, 3, 6)
    by_name = answer(tuple(NAMES[i] for i in order))
    by_history = answer(tuple(NAMES[i] for i in order), history=HISTORY[:, list(order)])
    np.testing.assert_array_equal(by_name["weight"], by_history["weight"])


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("unknown", {"names": ("AAPL", "NOPE")}, "NOPE are not in the universe of 8"),
    ("twice", {"names": ("AAPL", "AAPL")}, "'AAPL' is named twice"),
    ("none", {"names": ("", ""), "current_weight": 0.0}, "it names no security"),
    ("500", {"names": tuple(f"S{i}" for i in range(500))}, "500 securities are more than the 100"),
    ("sum", {"current_weight": 0.2}, "the weights add up to 1.6000, not to one"),
    ("negative", {"current_weight": [-0.1, 0.4, 0.1, 0.1, 0.1, 0.1, 0.2, 0.1]}, "weight -0.1 is negative"),
    ("method", {"method": "magic"}, "'magic' is no method.*min_variance, hrp"),
    ("short", {"min_weight": -0.1}, "'AAPL' is to lie between -0.1 and 1.*short positions"),
    ("crossed", {"min_weight": 0.1, "max_weight": 0.05}, "between 0.1 and 0.05"),
    ("floors", {"min_weight": 0.2}, r"min_weight\[0\]: the least weights add up to 1.6"),
    (
        "caps",
        {"max_weight": 0.1},
        r"max_weight\[0\]: the largest weights of 8 .* 0.8, less than one Allow each at least 0.125",
    ),
    ("no sector", {"sectors": {"Magic": 0.1}}, "'Magic' is no sector.*Energy"),
    ("no share", {"sectors": {"Energy": 1.5}}, "limited to 1.5, which is no share"),
    (
        "sector floor",
        {"sectors": {"Energy": 0.1}, "min_weight": 0.1},
        "'Energy' is limited to 0.1, and its least weights",
    ),
    (
        "sector room",
        {"sectors": {"Energy": 0.1, "Health Care": 0.1, "Financials": 0.1, "Information Technology": 0.1}},
        "leave room for 0.4",
    ),
    ("positions", {"max_positions": 3.0, "max_weight": 0.3}, "3 positions cannot hold .* 0.9, less than one"),
    ("floored positions", {"max_positions": 3.0, "min_weight": 0.05}, "8 securities have a least weight"),
    (
        "turnover",
        {"turnover_limit": 0.05, "max_weight": [0.0, 1, 1, 1, 1, 1, 1, 1]},
        "turnover of 0.05 .* at least 0.125",
    ),
    ("cash turnover", {"turnover_limit": 0.5, "current_weight": 0.0}, "turnover of 0.5 .* at least 1"),
    ("unused view", {"view": 0.1, "view_confidence": 0.5}, "'min_variance' uses no views, and there are 8"),
    ("sure", {"method": "black_litterman", "view": 0.1, "view_confidence": 1.5}, "confidence 1.5 is no share"),
    ("wild", {"method": "black_litterman", "view": 8.0, "view_confidence": 0.5}, "a view expects 800%"),
]


@pytest.mark.parametrize(("given", "told"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_cannot_be_met_is_refused_by_name(given: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        answer(**given)


def test_a_security_that_never_moved_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="'B' has not moved once in 252 days"):
        answer(("A", "B"), history=np.column_stack([HISTORY[:, 0], np.zeros(252)]))


def test_limits_that_only_together_cannot_be_met_are_named() -> None:
    """Two positions of at most a half are a portfolio, but both would be of one sector."""
    given = {"max_positions": 2.0, "max_weight": [0.5, 0.5, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01]}
    sectors = {"Information Technology": 0.95}
    with pytest.raises(InvalidRequest, match="no portfolio meets max_positions, sector_limit, max_weight at once"):
        answer(sectors=sectors, **given)


def test_a_failed_solver_falls_back_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from components.models.portfolio.portfolio_optimizer import methods

    def fail(*arguments: Any) -> np.ndarray:
        raise SolverError("no luck")

    whole = answer(max_weight=0.3)
    monkeypatch.setattr(methods, "propose", fail)
    got = answer(max_weight=0.3, method="cvar")
    assert got["fallback_step"] == 1
    np.testing.assert_allclose(got["weight"], whole["weight"], atol=1e-4)
    model = PortfolioOptimizer()
    model.member = served()
    assert model.predict(ask(method="cvar"))["fallback_used"][0] == "min_variance_direct"
    monkeypatch.setattr(allocate.Program, "minimise", lambda *a, **k: None)
    with pytest.raises(InvalidRequest, match="no portfolio meets"):
        answer(max_weight=0.3)


def test_an_answer_that_breaks_a_limit_is_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """skfolio is believed only as far as its weights can be checked: the nearest allowed portfolio stands in."""
    from components.models.portfolio.portfolio_optimizer import methods

    monkeypatch.setattr(methods, "propose", lambda *a: np.eye(8)[0])
    got = answer(max_weight=0.3)
    assert got["weight"][0] == pytest.approx(0.3, abs=1e-4)
    assert got["weight"].max() <= 0.3 + 1e-5


def test_threads_get_the_same_answers_as_one_after_the_other() -> None:
    questions = [ask(method=method, max_weight=0.3, max_positions=k) for method in METHODS for k in (0.0, 5.0)]
    want = [MEMBER.answer(q)["weight"] for q in questions]
    with ThreadPoolExecutor(6) as pool:
        got = list(pool.map(lambda q: MEMBER.answer(q)["weight"], questions * 2))
    for one, other in zip(got, want * 2, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_batch_is_its_rows() -> None:
    one, other = ask(method="hrp"), ask(method="cvar", max_weight=0.2)
    both = MEMBER.answer({name: np.concatenate([one[name], other[name]]) for name in one})
    for name, values in MEMBER.answer(other).items():
        np.testing.assert_array_equal(both[name][1], values[0])


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    member = served()
    member.calibration = Calibration(0.1, 0.7)
    member.save(tmp_path)
    assert {p.suffix for p in tmp_path.iterdir()} == {".json", ".safetensors"}
    again = Optimiser.load(tmp_path)
    for name, values in member.answer(ask()).items():
        np.testing.assert_array_equal(again.answer(ask())[name], values)


def test_the_share_of_calmer_months_is_counted_by_hand() -> None:
    weights = np.array([0.9, 0.1, 0, 0, 0, 0, 0, 0])
    mine, equal = HISTORY @ weights, HISTORY.mean(axis=1)
    months = [(mine[i : i + 21], equal[i : i + 21]) for i in range(252 - 20)]
    by_hand = np.mean([(a**2).sum() < (b**2).sum() for a, b in months])
    assert bootstrap_share(HISTORY, weights) == pytest.approx(by_hand)
    assert bootstrap_share(HISTORY, np.full(8, 1 / 8)) == 0.5


def test_calibration_learns_the_optimism_and_never_turns_the_order_around() -> None:
    generator = np.random.default_rng(4)
    shares = generator.uniform(0.5, 1, 4000)
    truth = 1 / (1 + np.exp(-(0.2 + 0.5 * np.log(np.clip(shares, 0, 0.995) / (1 - np.clip(shares, 0, 0.995))))))
    learned = Calibration.fit(shares, generator.random(4000) < truth, penalty=1.0)
    assert learned.slope == pytest.approx(0.5, abs=0.1)
    assert learned.intercept == pytest.approx(0.2, abs=0.15)
    turned = Calibration.fit(shares, generator.random(4000) < 1 - shares, penalty=1.0)
    assert turned(0.9) >= turned(0.6)


def test_calibration_on_nothing_surprising_stays_where_it_was() -> None:
    few = Calibration.fit(np.array([0.9]), np.array([True]), penalty=1000.0)
    assert few(0.8) == pytest.approx(0.8, abs=0.01)


def test_held_weights_drift_with_their_prices() -> None:
    ahead = np.array([[0.1, 0.0], [0.0, -0.5]])
    returns = held_returns(np.array([0.5, 0.5]), ahead)
    np.testing.assert_allclose(returns, [0.05, 0.8 / 1.05 - 1])
    np.testing.assert_allclose(drifted(np.array([0.5, 0.5]), ahead), [0.55 / 0.8, 0.25 / 0.8])
    assert realised_variance(np.array([0.5, 0.5]), ahead) == pytest.approx(252 * (returns**2).mean())


def test_turnover_between_months_counts_from_the_drifted_weights() -> None:
    ahead = np.array([[[0.1, 0.0]], [[0.0, 0.0]]])
    times = np.array(["2025-01-01", "2025-02-01"], dtype="datetime64[ns]")
    data = Dataset({}, {"next_returns": ahead}, times, times, np.array(["x", "x"], dtype=object))
    weights = np.array([[0.5, 0.5], [0.5, 0.5]])
    np.testing.assert_allclose(turnovers(weights, data), [0.55 / 1.05 - 0.5])
    assert daily(weights, data).shape == (2,)
