"""The simulation against closed forms, and the solver against the simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from components.finance.goals import future_value, lognormal_success, wealth_path
from components.models.portfolio.goal_achievement.simulation import Draws, Plan, Simulation, draw, share_at_least
from components.models.portfolio.goal_achievement.solver import increasing_root, required_return, required_sip

PLAN = Plan(5e5, 2e6, 20_000.0, np.ones(48), math.log(1.11) - 0.16**2 / 2, 0.16, 0.03)


@pytest.fixture(scope="module")
def draws() -> Draws:
    return draw(11, 4096)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("drift_sd", [0.0, 0.06])
def test_without_contributions_it_is_the_closed_form_within_four_standard_errors(seed: int, drift_sd: float) -> None:
    generator, draws = np.random.default_rng(seed), draw(seed, 4096)
    for _ in range(40):
        months, sigma = int(generator.integers(1, 240)), float(generator.uniform(0.03, 0.4))
        growth, years = float(generator.normal(0.08, 0.05)), months / 12
        weight = 10 * (1 - math.exp(-years / 10)) * drift_sd
        spread = math.sqrt(sigma**2 * years + weight**2)
        target = 1e5 * math.exp(growth * years + generator.uniform(-2, 2) * spread)
        simulation = Simulation(Plan(1e5, target, 0.0, np.ones(months), growth, sigma, drift_sd), draws)
        wealth = simulation.wealth()
        exact = float(lognormal_success(1e5, target, growth * years, spread))
        assert abs(share_at_least(wealth, target) - exact) <= 4 * simulation.share_error(wealth)


def test_without_volatility_it_is_the_annuity_formula(draws: Draws) -> None:
    plan = replace(PLAN, volatility=0.0, drift_sd=0.0, log_growth=math.log(1.11))
    for month in (1, 13, 48):
        wealth = Simulation(plan, draws).wealth(month)
        np.testing.assert_allclose(wealth, float(future_value(5e5, 20_000.0, 0.11, month)), rtol=1e-11)


def test_a_path_is_the_recursion_on_its_own_returns(draws: Draws) -> None:
    shape = np.linspace(0.5, 1.5, 48)
    simulation = Simulation(replace(PLAN, shape=shape), draws)
    growth = 1 / simulation.discount[:, 7]
    returns = growth / np.concatenate([[1.0], growth[:-1]]) - 1
    path = wealth_path(PLAN.initial, shape * PLAN.sip, returns)
    for month in (1, 20, 48):
        assert simulation.wealth(month)[7] == pytest.approx(path[month - 1], rel=1e-10)


def test_the_standard_error_is_how_much_seeds_differ() -> None:
    shares, errors = [], []
    for seed in range(40):
        simulation = Simulation(PLAN, draw.__wrapped__(seed, 512, 48))
        reached = (simulation.wealth() >= PLAN.target).astype(np.float64)
        shares.append(reached.mean())
        errors.append(simulation.standard_error(reached))
    # A standard deviation of 40 values is known to 11 %.
    assert np.std(shares, ddof=1) == pytest.approx(np.mean(errors), rel=0.45)


def test_the_chance_rises_with_payment_amount_and_time(draws: Draws) -> None:
    def chance(**changes: object) -> float:
        plan = replace(PLAN, **changes)  # type: ignore[arg-type]
        return share_at_least(Simulation(plan, draws).wealth(), plan.target)

    for name, values in {
        "sip": (0.0, 1e4, 2e4, 3e4, 4e4),
        "initial": (0.0, 3e5, 6e5, 9e5),
        "shape": tuple(np.ones(n) for n in (24, 36, 48, 60, 72)),
        "log_growth": (0.0, 0.05, 0.1, 0.15),
    }.items():
        got = [chance(**{name: value}) for value in values]
        assert got == sorted(got), name
        assert got[0] < got[-1], name


@pytest.mark.parametrize("chance", [0.5, 0.8, 0.95])
def test_the_required_payment_reaches_the_chance_and_a_rupee_less_does_not(draws: Draws, chance: float) -> None:
    plan = replace(PLAN, ratio=0.9, spread=0.2, residuals=np.linspace(-2, 2, 101), least=0.02)
    needed = required_sip(Simulation(plan, draws), chance)
    assert share_at_least(Simulation(plan.saves(needed), draws).wealth(), plan.target) >= chance
    assert share_at_least(Simulation(plan.saves(needed * 0.999), draws).wealth(), plan.target) < chance


@pytest.mark.parametrize("chance", [0.5, 0.95])
def test_the_required_return_reaches_the_chance(draws: Draws, chance: float) -> None:
    found = required_return(Simulation(PLAN, draws), chance)
    assert found is not None
    moved = replace(PLAN, log_growth=math.log1p(found) - PLAN.volatility**2 / 2)
    assert share_at_least(Simulation(moved, draws).wealth(), PLAN.target) == pytest.approx(chance, abs=1 / 4096)


def test_no_return_makes_nothing_grow(draws: Draws) -> None:
    assert required_return(Simulation(replace(PLAN, initial=0.0, sip=0.0), draws), 0.95) is None


def test_what_is_reached_needs_no_payment(draws: Draws) -> None:
    assert required_sip(Simulation(replace(PLAN, initial=1e9), draws)) == 0.0


def test_other_seeds_need_about_the_same_payment() -> None:
    needed = [required_sip(Simulation(PLAN, draw(seed, 4096))) for seed in range(5)]
    assert np.std(needed) / np.mean(needed) < 0.03


def test_roots_of_increasing_functions() -> None:
    assert increasing_root(lambda x: x**3 - 2, 0.0, 5.0) == pytest.approx(2 ** (1 / 3), abs=1e-8)
    assert increasing_root(lambda x: x - 9, 0.0, 5.0) is None
    assert increasing_root(lambda x: x + 1, 0.0, 5.0) is None
