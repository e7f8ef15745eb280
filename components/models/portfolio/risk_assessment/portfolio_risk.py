"""One portfolio against a universe: the shocks that history's days would deal it, how they scale, and its paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.finance.paths import Dynamics, Floats, compound, simulate_projected
from components.models.portfolio.risk_assessment.holdings import TRADING_DAYS, Holdings
from components.models.portfolio.risk_assessment.own_history import own_volatility
from components.models.portfolio.risk_assessment.recorrelate import recorrelated
from components.models.portfolio.risk_assessment.universe import MARKET, Universe

Array = npt.NDArray[Any]
LEAST_VOLATILITY: Final = 1.0
"""Percent a year; what is below says nothing. An explainer that moves an unknown 0 a little must not make it known."""
TREND_SIDE: Final = {-1.0: "bear_tilt", 1.0: "bull_tilt"}


@dataclass(frozen=True)
class Conditions:
    """What a request says of the market: see ``schemas.CONDITIONS``; volatilities below 1 for what it does not say."""

    volatility_index: float
    market_trend: float
    portfolio_volatility: float


@dataclass(frozen=True)
class Exposure:
    """A portfolio's shocks.

    Attributes
    ----------
    by_holding : ndarray of shape (pool, holdings)
        What each pooled day would do to the portfolio through each holding tomorrow, decimal.
    shocks : ndarray of shape (pool,)
        Their sum.
    beta : float
        Of the shocks on the market's move of the same day, whatever the volatility index says.
    market_volatility : float
        Of the market tomorrow, decimal.
    dynamics : Dynamics
        Of the portfolio's variance.
    long_run : float
        Long-run variance relative to tomorrow's.
    market_long_run : float
        The same of the market.
    index_gearing : float
        By how much more the volatility index moved the market than the portfolio. The shocks' gearing on the market's
        move, both at tomorrow's volatilities, is to be multiplied by it: an index changes volatilities, not betas.
    """

    by_holding: Array
    shocks: Array
    beta: float
    market_volatility: float
    dynamics: Dynamics
    long_run: float
    market_long_run: float
    index_gearing: float


def expose(universe: Universe, held: Holdings, conditions: Conditions, own_history: float) -> Exposure:
    """Lay a portfolio over the universe's pooled days.

    Parameters
    ----------
    universe : Universe
    held : Holdings
    conditions : Conditions
    own_history : float
        Weight of the volatility that the portfolio's own history tells: see ``Params``.
    """
    residuals = universe.residuals[:, held.columns].astype(np.float64)
    if held.correlation is not None:
        residuals = recorrelated(residuals, held.correlation)
    known = universe.volatility[held.columns]
    volatility = known if held.volatility is None else held.volatility
    by_holding = residuals * (held.weight * volatility)
    shocks = by_holding.sum(axis=1)
    artifact_shocks = residuals @ (held.weight * known) if held.volatility is not None else shocks
    scale = _own_history(universe, held, conditions, float(shocks.std()), own_history)
    # How much wilder than at the end of training the day is, which the request tells through its volatilities only.
    wilder = float(shocks.std() / artifact_shocks.std())
    market_volatility = float(universe.volatility[MARKET]) * wilder
    index = _index_effect(universe, conditions, market_volatility)
    systematic = _correlation(shocks, universe.market.astype(np.float64)) ** 2
    # The index speaks of the market: what a portfolio risks beyond it stays.
    felt = np.sqrt(1 + systematic * (index**2 - 1))
    scale *= felt
    by_holding, shocks = by_holding * scale, shocks * scale
    market_volatility *= index
    market = universe.market.astype(np.float64) * market_volatility
    calm = residuals @ (held.weight * universe.long_run[held.columns])
    return Exposure(
        by_holding,
        shocks,
        float(market @ shocks / (market @ market) * index / felt),
        market_volatility,
        _dynamics(universe, held, by_holding),
        float(calm.var() / shocks.var()),
        float((universe.long_run[MARKET] / market_volatility) ** 2),
        float(index / felt),
    )


def simulate(universe: Universe, exposure: Exposure, trend: float, draws: Array) -> Floats:
    """Return what 1 has become after every day of every path, shape (days, paths)."""
    drift = exposure.beta * daily_drift(universe, trend, len(draws))
    shocks = exposure.shocks.astype(np.float32)
    return compound(simulate_projected(shocks, draws, exposure.dynamics, exposure.long_run, drift))


def simulate_market(universe: Universe, exposure: Exposure, trend: float, draws: Array) -> Floats:
    """Return the market's level on the same days of the same paths, shape (days, paths)."""
    shocks = (universe.market * exposure.market_volatility).astype(np.float32)
    drift = daily_drift(universe, trend, len(draws))
    return compound(simulate_projected(shocks, draws, universe.market_dynamics, exposure.market_long_run, drift))


def daily_drift(universe: Universe, trend: float, days: int) -> Array:
    """Return the market's expected return of each day, decimal: its mean, and a trend's tilt that fades."""
    facts = universe.facts
    tilt = getattr(facts, TREND_SIDE[trend]) if trend in TREND_SIDE else 0.0
    drift: Array = facts.market_drift + tilt * facts.trend_decay ** np.arange(days)
    return drift


def _own_history(universe: Universe, held: Holdings, conditions: Conditions, volatility: float, weight: float) -> float:
    """Return the factor that takes the shocks' volatility to its blend with that of the portfolio's own history."""
    if conditions.portfolio_volatility >= LEAST_VOLATILITY:
        own = conditions.portfolio_volatility / 100 / np.sqrt(TRADING_DAYS)
    elif held.volatility is not None or held.correlation is not None:
        # The request describes another day, or another world, than the artifact's recent returns do.
        return 1.0
    else:
        own = float(own_volatility(universe.recent[:, held.columns] @ held.weight, universe.market_dynamics))
    return float((own / volatility) ** weight)


def _index_effect(universe: Universe, conditions: Conditions, market_volatility: float) -> float:
    """Return by how much a volatility index moves the market's volatility; 1 when none is given."""
    if conditions.volatility_index < LEAST_VOLATILITY:
        return 1.0
    log_ratio = np.log(conditions.volatility_index / 100 / np.sqrt(TRADING_DAYS) / market_volatility)
    return float(np.exp(universe.facts.index_elasticity * (log_ratio - universe.facts.index_premium)))


def _dynamics(universe: Universe, held: Holdings, by_holding: Array) -> Dynamics:
    """Return the variance dynamics of the portfolio: the holding's own if there is one, the market's if there are many.

    Between them by the sum of squared shares in the variance, which is 1 for one holding and falls with their number.
    """
    covariance = by_holding.T @ by_holding.sum(axis=1)
    shares = np.maximum(covariance, 0) / max(float(np.maximum(covariance, 0).sum()), 1e-300)
    concentration = float(shares @ shares)
    own, market = (
        [a[held.columns] @ shares for a in _parameters(universe)],
        [a[MARKET] for a in _parameters(universe)],
    )
    return Dynamics(*(float(concentration * o + (1 - concentration) * m) for o, m in zip(own, market, strict=True)))


def _parameters(universe: Universe) -> tuple[Array, Array, Array]:
    return universe.alpha, universe.gamma, universe.beta


def _correlation(a: Array, b: Array) -> float:
    spread = float(a.std() * b.std())
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 0 else 0.0
