"""From an action to trades: the same function moves the training environment, the served model and 1/N."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.constraints import TOLERANCE, Constraints, keep_largest
from components.models.portfolio.auto_invest.params import Params

SLACK = 0.05
"""How far the invested share may drift above what the risk tolerance allows before securities are sold, decimal."""


@dataclass(frozen=True)
class Action:
    """Document 0's action.

    Attributes
    ----------
    allocation_changes : ndarray of shape (securities,)
        -1 to 1, of each security's share relative to the neutral one: -1 to hold none, 1 to hold twice as much.
    rebalance_trigger : bool
        Whether what is held is traded to the new shares; new money is invested either way.
    stop_loss_adjustment : float
        -1 to 1: the stop-loss distance is halved, kept at 0, or half as wide again.
    """

    allocation_changes: FloatArray
    rebalance_trigger: bool
    stop_loss_adjustment: float

    @classmethod
    def neutral(cls, securities: int) -> Action:
        """Rebalance to equal shares: 1/N."""
        return cls(np.zeros(securities), True, 0.0)

    @classmethod
    def hold(cls, securities: int) -> Action:
        """Trade nothing but new money."""
        return cls(np.zeros(securities), False, 0.0)


@dataclass(frozen=True)
class Situation:
    """What a decision depends on, all known when it is taken.

    Attributes
    ----------
    current : ndarray of shape (securities,)
        Shares of the value, new money included, decimal.
    exposure : float
        Largest invested share, see :func:`exposure`.
    constraints : Constraints
    volatility, drawdown : ndarray of shape (securities,)
        Traits, see :mod:`components.models.portfolio.auto_invest.signals`.
    """

    current: FloatArray
    exposure: float
    constraints: Constraints
    volatility: FloatArray
    drawdown: FloatArray


@dataclass(frozen=True)
class Decision:
    """Shares after trading.

    Attributes
    ----------
    weights : ndarray of shape (securities,)
        Decimal of the value before costs; the rest, less ``cost``, is cash.
    cost, turnover : float
        Cost of the trades and their sum, decimal of that value.
    rebalanced : bool
        Whether more than new money was traded: by the trigger, or because a limit or a stop loss asks for it.
    stop_loss : float
        Fall from the quarter's high that closes a position, decimal.
    """

    weights: FloatArray
    cost: float
    turnover: float
    rebalanced: bool
    stop_loss: float

    @property
    def cash(self) -> float:
        """Cash after costs, decimal."""
        return 1.0 - float(self.weights.sum()) - self.cost


def exposure(params: Params, risk_tolerance: float, volatility: float) -> float:
    """Return the largest invested share, decimal: the volatility that the tolerance allows over the market's.

    Moreira and Muir (2017), doi:10.1111/jofi.12513, scale by variance; volatility trades less. Twice the cost rate
    stays uninvested, which pays for selling and buying everything, so that cash cannot become negative.
    """
    low, high = params.low_risk_volatility, params.high_risk_volatility
    allowed = low + risk_tolerance * (high - low)
    return min(1.0 - 2 * params.cost_rate, allowed / max(volatility, 1e-6))


def target(params: Params, action: Action, situation: Situation) -> tuple[FloatArray, npt.NDArray[np.bool_], float]:
    """Return the shares that the action asks for within the limits, those that were stopped, and the stop loss."""
    stop = params.stop_loss * (1 + 0.5 * action.stop_loss_adjustment)
    stopped = situation.drawdown < -stop
    count = len(situation.current)
    desired = np.where(stopped, 0.0, (1 + np.clip(action.allocation_changes, -1.0, 1.0)) / count)
    desired = keep_largest(desired, situation.constraints.max_positions, situation.volatility)
    kept = np.count_nonzero(desired)
    # Less than the neutral share on average is a wish for cash; a stopped security's share goes to the others.
    asked = min(1.0, float(desired.sum()) * count / kept) if kept else 0.0
    return situation.constraints.allocate(desired, asked * situation.exposure), stopped, stop


def decide(params: Params, action: Action, situation: Situation) -> Decision:
    """Trade as the action says, within the limits.

    Without the trigger, money above the wanted cash buys what lies farthest below its wanted share and nothing is sold,
    unless a limit is broken, a stop loss is reached, or the invested share exceeds the allowed one by :data:`SLACK`.
    """
    wanted, stopped, stop = target(params, action, situation)
    current, constraints = situation.current, situation.constraints
    forced = (
        constraints.broken_by(current)
        or float(current.sum()) > situation.exposure + SLACK
        or bool((current[stopped] > TOLERANCE).any())
    )
    rebalanced = action.rebalance_trigger or forced
    weights = wanted if rebalanced else current + _buys(wanted, current, constraints, situation.volatility)
    turnover = float(np.abs(weights - current).sum())
    return Decision(weights, params.cost_rate * turnover, turnover, rebalanced, stop)


def _buys(wanted: FloatArray, current: FloatArray, constraints: Constraints, volatility: FloatArray) -> FloatArray:
    held = current > TOLERANCE
    missing = np.maximum(wanted - current, 0.0)
    new = keep_largest(np.where(held, 0.0, missing), constraints.max_positions - int(held.sum()), volatility)
    desired = np.where(held, missing, new)
    return constraints.allocate(desired, float(wanted.sum() - current.sum()), current)
