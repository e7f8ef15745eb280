"""Question: one row of the model's inputs, checked and completed with what the model knows by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import InvalidRequest
from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.constraints import Constraints
from components.models.portfolio.auto_invest.decision import Situation, exposure
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.schemas import STRATEGY
from components.models.portfolio.auto_invest.sector_limits import number_sectors
from components.models.portfolio.auto_invest.signals import TRAITS, standardise
from components.models.portfolio.auto_invest.tilts import State
from components.models.schema import Batch

WHOLE = 0.01
"""How far shares may add up to more than one, decimal: what rounding to two digits of percent leaves."""

_PLACES = {column.name: i for i, column in enumerate(STRATEGY)}


@dataclass(frozen=True)
class Known:
    """What the model knows of securities and the market at the end of its data.

    Attributes
    ----------
    names, sectors : tuple of str
    traits : ndarray of shape (securities, traits)
    market : ndarray of shape (states,)
    """

    names: tuple[str, ...]
    sectors: tuple[str, ...]
    traits: FloatArray
    market: FloatArray

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Index of each security."""
        return {name: i for i, name in enumerate(self.names)}


@dataclass(frozen=True)
class Question:
    """One strategy at one time.

    Attributes
    ----------
    place : ndarray of int, shape (securities,)
        Index of each security among the known ones.
    slot : ndarray of int, shape (securities,)
        Where it stands in the row's tensors; the others are padding.
    value : float
        Of the strategy, new money included, currency units.
    state : State
    situation : Situation
    """

    place: npt.NDArray[np.int64]
    slot: npt.NDArray[np.int64]
    value: float
    state: State
    situation: Situation


def read(inputs: Batch, row: int, known: Known, params: Params) -> Question:
    """Read one row.

    Raises
    ------
    InvalidRequest
        If a security is unknown or named twice, shares exceed one, nothing can be invested, or a limit is no limit.
    """
    strategy = dict(zip(_PLACES, inputs["strategy"][row].tolist(), strict=True))
    place, slot = _securities(inputs["security_id"][row], known)
    current = _taken(inputs["current_allocation"][row], slot, np.zeros(len(place)))
    total, added = strategy["total_value"], strategy["investment_amount"]
    value = _value(strategy, current)
    traits = np.stack([_taken(inputs[n][row], slot, known.traits[place, i]) for i, n in enumerate(TRAITS)], axis=1)
    market = _market(inputs["market"][row], inputs["market_given"][row], known.market)
    limit = exposure(params, strategy["risk_tolerance"], float(market[0]))
    current = current * (total / value)
    state = State(
        current,
        standardise(traits),
        market,
        strategy["unrealized_pnl"] / value,
        added / value,
        strategy["risk_tolerance"],
        strategy["max_position_size"],
        limit,
    )
    constraints = _constraints(inputs, row, strategy, place, known)
    columns = {name: traits[:, i] for i, name in enumerate(TRAITS)}
    situation = Situation(current, limit, constraints, columns["volatility"], columns["drawdown"])
    return Question(place, slot, value, state, situation)


def _securities(ids: Any, known: Known) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    if not len(ids):
        every = np.arange(len(known.names))
        return every, every
    slot = np.array([i for i, name in enumerate(ids) if name], dtype=np.int64)
    if not len(slot):
        raise InvalidRequest("no security is named", "Name one, or leave security_id out for all.", path="security_id")
    seen: set[str] = set()
    for i in slot:
        if ids[i] not in known.place:
            raise InvalidRequest(
                f"security {ids[i]!r} is unknown to this model",
                f"It knows {len(known.names)}: {', '.join(known.names[:8])}, ...; train it on a source that has it.",
                path=f"security_id[{i}]",
            )
        if ids[i] in seen:
            raise InvalidRequest(f"security {ids[i]!r} is named twice", "Add its shares up.", path=f"security_id[{i}]")
        seen.add(ids[i])
    return np.array([known.place[ids[i]] for i in slot], dtype=np.int64), slot


def _taken(values: FloatArray, slot: npt.NDArray[np.int64], otherwise: FloatArray) -> FloatArray:
    return values[slot] if len(values) else otherwise


def _value(strategy: Mapping[str, float], current: FloatArray) -> float:
    """Return holdings, cash and new money together.

    They are added up rather than read off ``total_value``, so that one of them can be moved alone (as an explanation by
    sensitivity does); that they agree is checked where applications ask.
    """
    invested = float(current.sum())
    if (current < 0).any():
        raise InvalidRequest(
            f"a share of {current.min():g} is negative", "Short positions are not held.", path="current_allocation"
        )
    if invested > 1 + WHOLE:
        raise InvalidRequest(
            f"shares add up to {invested:.4g}", "They are of total_value: 1 at most.", path="current_allocation"
        )
    value = invested * strategy["total_value"] + strategy["cash_balance"] + strategy["investment_amount"]
    if value <= 0:
        raise InvalidRequest(
            "holdings, cash_balance and investment_amount are 0: there is nothing to invest",
            "Give a value or new money.",
            path="strategy.total_value",
        )
    return value


def _market(given: FloatArray, known: Any, newest: FloatArray) -> FloatArray:
    volatility, sentiment, indices, sectors = (bool(flag) for flag in known)
    made: FloatArray = np.where([volatility, sentiment, indices, sectors, sectors], given, newest)
    return made


def _constraints(
    inputs: Batch, row: int, strategy: Mapping[str, float], place: npt.NDArray[np.int64], known: Known
) -> Constraints:
    if strategy["max_position_size"] <= 0:
        raise InvalidRequest(
            "max_position_size is 0: nothing may be held", "Give a share above 0.", path="strategy.max_position_size"
        )
    named = zip(inputs["limit_sector"][row], inputs["limit_share"][row].tolist(), strict=True)
    limits = {str(name): share for name, share in named if name}
    sector, largest = number_sectors([known.sectors[i] for i in place], limits, known.sectors)
    return Constraints(strategy["max_position_size"], int(strategy["max_positions"]), sector, largest)
