"""The assessment of one portfolio: every number that the model answers."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.finance.drawdown import max_drawdown
from components.finance.tail import Estimate, expected_shortfall, share, value_at_risk
from components.models.portfolio.risk_assessment.holdings import Holdings
from components.models.portfolio.risk_assessment.owner import recovery_months, risk_score
from components.models.portfolio.risk_assessment.params import Params
from components.models.portfolio.risk_assessment.portfolio_risk import (
    Conditions,
    Exposure,
    expose,
    simulate,
    simulate_market,
)
from components.models.portfolio.risk_assessment.schemas import DAYS, QUANTILES, SHORTFALL_DAYS, STRESSES
from components.models.portfolio.risk_assessment.universe import MARKET, Universe

Array = npt.NDArray[Any]
MONTH: Final = DAYS["1_month"]
CORRECTION: Final = -0.10
"""Fall of the market, or of a sector beside the market, that makes a scenario, decimal."""
LEVEL, BASEL_LEVEL = 0.05, 0.025
COMPONENT_WINDOW: Final = 0.02
"""Pooled days around the quantile whose mean tells each holding's part, as a share of all to either side."""
PRECISION: Final = 0.1
"""Relative error of the VaR that ``confidence`` speaks of."""


def assess(
    universe: Universe, held: Holdings, conditions: Conditions, owner: Array, draws: Array, params: Params
) -> dict[str, Array]:
    """Return the numeric outputs of one row, each without its row axis.

    Parameters
    ----------
    universe : Universe
    held : Holdings
    conditions : Conditions
    owner : ndarray of shape (3,)
        As ``schemas.PROFILE``.
    draws : ndarray of shape (days, paths)
    params : Params
    """
    exposure = expose(universe, held, conditions, params.own_history)
    wealth = simulate(universe, exposure, conditions.market_trend, draws)
    capacity, horizon, needs = map(float, owner)
    drawdowns = max_drawdown(wealth).astype(np.float64)
    worst = float(np.quantile(drawdowns, 1 - LEVEL))
    month = wealth[MONTH - 1].astype(np.float64) - 1
    var, cvar = value_at_risk(month, LEVEL), expected_shortfall(month, LEVEL)
    shortfall = expected_shortfall(wealth[SHORTFALL_DAYS - 1].astype(np.float64) - 1, BASEL_LEVEL)
    losses = [share(wealth[days - 1] < 1) for days in DAYS.values()]
    return {
        "portfolio_var_95": np.array([100 * var.value]),
        "portfolio_cvar_95": np.array([100 * cvar.value]),
        "expected_shortfall": np.array([100 * shortfall.value]),
        "daily_risk": 100 * daily_risk(exposure.shocks + _tomorrow(universe, exposure)),
        "probability_of_loss": np.array([loss.value for loss in losses]),
        "max_drawdown_forecast": 100 * np.array([drawdowns.mean(), worst]),
        "risk_score": np.array([risk_score(universe, worst, capacity, horizon, needs)]),
        **_scenarios(universe, held, exposure, conditions, horizon, draws),
        "stress_test_results": 100 * stresses(universe, held),
        "return_quantiles": 100 * np.quantile(month, QUANTILES),
        "standard_errors": np.array(
            [
                100 * var.standard_error,
                100 * cvar.standard_error,
                100 * shortfall.standard_error,
                losses[0].standard_error,
            ]
        ),
        "confidence": np.array([precision(var)]),
        "component_var": components(exposure, 100 * var.value),
    }


def daily_risk(shocks: Array) -> Array:
    """Return the next day's 99, 97.5 and 95 % value at risk and its 97.5 % expected shortfall, decimal.

    Exact over the pooled days: nothing is simulated for one day ahead.
    """
    return np.array([*np.quantile(shocks, (0.01, BASEL_LEVEL, LEVEL)), expected_shortfall(shocks, BASEL_LEVEL).value])


def components(exposure: Exposure, total: float) -> Array:
    """Return each holding's part of the value at risk; they add up to it.

    Euler's allocation: a holding's expected shock on the days when the portfolio's is at its quantile (Tasche 1999,
    Risk contributions and performance measurement), scaled from a day to the figure's horizon.
    """
    order = np.argsort(exposure.shocks, kind="stable")
    n = len(order)
    low, high = int(n * (LEVEL - COMPONENT_WINDOW)), max(int(n * (LEVEL + COMPONENT_WINDOW)), 1)
    parts = exposure.by_holding[order[low:high]].mean(axis=0)
    whole = parts.sum()
    made: Array = total * (parts / whole if whole else np.full(len(parts), 1 / len(parts)))
    return made


def stresses(universe: Universe, held: Holdings) -> Array:
    """Return what the portfolio would have returned in each of ``STRESSES``, decimal, bought before and held.

    The sector crash befalls the heaviest sector alone; the rest of the portfolio stays as it is.
    """
    sector = heaviest_sector(universe, held)
    inside = universe.sector_of[held.columns] == sector
    moves = universe.crises[:, held.columns]
    moves = np.vstack([moves[:-1], np.where(inside, moves[-1], 0.0)])
    assert len(moves) == len(STRESSES)
    felt: Array = moves @ held.weight
    return felt


def heaviest_sector(universe: Universe, held: Holdings) -> int:
    """Return the number of the sector that the portfolio holds most of."""
    weights = np.bincount(universe.sector_of[held.columns], held.weight, len(universe.sector_names))
    return int(weights.argmax())


def precision(var: Estimate) -> float:
    """Return the probability that simulation errs by less than a tenth of the value at risk."""
    if var.standard_error <= 0:
        return 1.0
    return math.erf(PRECISION * abs(var.value) / var.standard_error / math.sqrt(2))


def _tomorrow(universe: Universe, exposure: Exposure) -> float:
    return exposure.beta * universe.facts.market_drift


def _scenarios(
    universe: Universe, held: Holdings, exposure: Exposure, conditions: Conditions, horizon: float, draws: Array
) -> dict[str, Array]:
    """Return probability, impact and recovery of each of ``SCENARIOS``.

    Both are looked for within the owner's horizon, a year at most. The impact of a fall of the market is what the
    portfolio does on the market's worst days; that of its heaviest sector's falling behind the market is what the
    sector's holdings do, beside the market, on the sector's worst days, while the others stay.
    """
    within = draws[: min(round(horizon * MONTH), len(draws))]
    market = simulate_market(universe, exposure, conditions.market_trend, within)
    moves = universe.market * exposure.market_volatility
    number = heaviest_sector(universe, held)
    # Sectors are as wild as the market, relative to the end of training.
    sector = universe.sector_moves[:, number] * (exposure.market_volatility / universe.volatility[MARKET])
    inside = exposure.by_holding[:, universe.sector_of[held.columns] == number].sum(axis=1)
    inside -= (inside @ moves) / (moves @ moves) * moves
    impacts = np.array(
        [
            CORRECTION * exposure.index_gearing * tail_beta(exposure.shocks, moves),
            CORRECTION * exposure.index_gearing * tail_beta(inside, sector),
        ]
    )
    recovery = [recovery_months(universe, max(-impact, 0.0)) for impact in impacts]
    probability = [share((market.min(axis=0) - 1) <= CORRECTION).value, _sector_falls(sector, within)]
    return {
        "scenario_probability": np.array(probability),
        "scenario_impact": 100 * impacts,
        "scenario_recovery": np.array(recovery).reshape(-1),
    }


def _sector_falls(moves: Array, draws: Array) -> float:
    """Return the probability that a sector falls that far behind the market; its volatility stays today's."""
    kind = moves.astype(np.float32)
    behind = np.zeros(draws.shape[1], dtype=np.float32)
    furthest = behind.copy()
    for drawn in draws:
        behind += kind.take(drawn, mode="clip")
        np.minimum(furthest, behind, out=furthest)
    return share(np.expm1(furthest) <= CORRECTION).value


def tail_beta(shocks: Array, driver: Array) -> float:
    """Return the portfolio's mean shock over the driver's, on the driver's worst tenth of days."""
    worst = driver <= np.quantile(driver, 0.1)
    return float(shocks[worst].mean() / driver[worst].mean())
