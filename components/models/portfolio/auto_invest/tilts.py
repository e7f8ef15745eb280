"""What a policy sees and does, whatever the number of securities: a summary of the state, and tilts over traits.

The document's action has a number for each security. One network for every universe cannot: its outputs are *tilts*,
one for each trait and shared by all securities, and a security's change is the tilts times its own traits. So the
strategy does not depend on the order or the number of the securities, and learns from all of them at once, as the
parametric portfolio policies of Brandt, Santa-Clara and Valkanov (2009), doi:10.1093/rfs/hhp003.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.decision import Action
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.reward import deviation, diversification
from components.models.portfolio.auto_invest.signals import MARKET, TRAITS

OBSERVED: Final = (
    *MARKET,
    "cash",
    "unrealised_pnl",
    "new_money",
    "risk_tolerance",
    "max_position",
    "exposure",
    "deviation",
    "diversification",
    "securities",
    *(f"held_{trait}" for trait in TRAITS),
)
"""The observation's numbers, in order."""

ACTIONS: Final = (*(f"tilt_{trait}" for trait in TRAITS), "invest", "rebalance_trigger", "stop_loss_adjustment")
"""The policy's numbers, in order, each -1 to 1."""

CASH_SCALE = 0.5
"""How much of every share the strongest wish for cash takes away, decimal."""

_MARKET_SCALE = np.array([5.0, 1.0, 10.0, 10.0, 20.0])


@dataclass(frozen=True)
class State:
    """What is known when a decision is taken; see document 0's state space.

    Attributes
    ----------
    current : ndarray of shape (securities,)
        Shares of the value, new money included, decimal.
    scores : ndarray of shape (securities, traits)
        Standardised traits.
    market : ndarray of shape (states,)
    unrealised_pnl, new_money : float
        Decimal of the value.
    risk_tolerance, max_position, exposure : float
    """

    current: FloatArray
    scores: FloatArray
    market: FloatArray
    unrealised_pnl: float
    new_money: float
    risk_tolerance: float
    max_position: float
    exposure: float


def observe(state: State) -> FloatArray:
    """Return the observation, numbers of the order of one, shape (len(OBSERVED),)."""
    count = len(state.current)
    neutral = np.full(count, 1 / count)
    own = [
        1 - state.current.sum(),
        np.clip(state.unrealised_pnl, -1, 1),
        state.new_money,
        state.risk_tolerance,
        state.max_position,
        state.exposure,
        deviation(state.current, neutral),
        diversification(state.current),
        math.log(count) / 5,
    ]
    # einsum and not BLAS: the sum's order may not depend on what else is in the batch.
    tilted = np.einsum("i,ij->j", state.current, state.scores)
    return np.concatenate([np.clip(state.market * _MARKET_SCALE, -5, 5), own, tilted])


def act(params: Params, raw: FloatArray, scores: FloatArray) -> Action:
    """Turn the policy's numbers into the document's action.

    Parameters
    ----------
    params : Params
        With the strength of tilts.
    raw : ndarray of shape (len(ACTIONS),)
        Cut to -1..1.
    scores : ndarray of shape (securities, traits)
        Standardised traits.
    """
    raw = np.clip(raw, -1.0, 1.0)
    traits = len(TRAITS)
    changes = params.tilt * np.einsum("ij,j->i", scores, raw[:traits]) + CASH_SCALE * min(0.0, float(raw[traits]))
    return Action(np.clip(changes, -1.0, 1.0), bool(raw[traits + 1] > 0), float(raw[traits + 2]))
