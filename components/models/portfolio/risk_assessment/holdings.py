"""Holdings of one request: checked, and found in the universe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.errors import InvalidRequest
from components.models.schema import Batch

Array = npt.NDArray[Any]
SUM_TOLERANCE: Final = 0.005
"""How far weights may be from adding up to one: they come rounded, and what one model takes of a kept portfolio the
others are to take."""
VALUE_TOLERANCE: Final = 0.02
"""Largest distance of a weight from the holding's share of the value: weights are often rounded to percent."""
TRADING_DAYS: Final = 252


@dataclass(frozen=True)
class Holdings:
    """One portfolio.

    Attributes
    ----------
    slots : ndarray of int, shape (holdings,)
        Where each stands in the request; the others are empty.
    columns : ndarray of int, shape (holdings,)
        Column of each in the universe.
    weight : ndarray of shape (holdings,)
        Decimal, adding up to 1.
    volatility : ndarray of shape (holdings,), or None
        Daily, decimal, where the request gives it.
    correlation : ndarray of shape (holdings, holdings), or None
    """

    slots: Array
    columns: Array
    weight: Array
    volatility: Array | None
    correlation: Array | None


def read_holdings(inputs: Batch, row: int, known: Mapping[str, int]) -> Holdings:
    """Check one row and return its holdings.

    Raises
    ------
    InvalidRequest
        For an unknown security, a negative quantity, value or weight, a value without a quantity, weights that do not
        add up to 1 or are not the holdings' shares of the value, and a volatility of 0.
    """
    names = inputs["security_id"][row]
    slots = np.flatnonzero([bool(name) for name in names])
    if not len(slots):
        raise InvalidRequest("the portfolio has no holding", "Send at least one security.", path="security_id")
    weight, quantity, value = (_given(inputs, name, row, slots) for name in ("weight", "quantity", "current_value"))
    if weight is None or quantity is None or value is None:
        raise InvalidRequest(
            "weight, quantity and current_value are not all given", "Send one of each for every holding.", path="weight"
        )
    columns = np.array([_column(str(names[slot]), int(slot), known) for slot in slots])
    for name, values in (("quantity", quantity), ("current_value", value), ("weight", weight)):
        _refuse_negative(name, values, names, slots)
    _refuse_value_of_nothing(quantity, value, names, slots)
    _check_weights(weight, value, names, slots)
    volatility = _given(inputs, "volatility", row, slots)
    if volatility is not None and (volatility <= 0).any():
        raise InvalidRequest(
            f"the volatility of {names[slots[int(volatility.argmin())]]} is {volatility.min():g} %",
            "Give every holding's volatility, above 0, or leave the tensor out.",
            path="volatility",
        )
    correlation = inputs["correlation"][row]
    return Holdings(
        slots,
        columns,
        weight / weight.sum(),
        None if volatility is None else volatility / 100 / np.sqrt(TRADING_DAYS),
        correlation[np.ix_(slots, slots)] if correlation.size else None,
    )


def _given(inputs: Batch, name: str, row: int, slots: Array) -> Array | None:
    values = inputs[name][row]
    return values[slots] if len(values) else None


def _column(name: str, slot: int, known: Mapping[str, int]) -> int:
    if name not in known:
        some = ", ".join(list(known)[:5])
        raise InvalidRequest(
            f"security {name!r} is unknown; this version knows {len(known)} securities, for example {some}",
            "Send securities of the data that the model was trained on, or train it on data that hold this one.",
            path=f"security_id[{slot}]",
        )
    return known[name]


def _refuse_negative(name: str, values: Array, names: Array, slots: Array) -> None:
    if (values < 0).any():
        worst = int(values.argmin())
        raise InvalidRequest(
            f"{names[slots[worst]]} has {values[worst]:g}; short positions are not assessed",
            "Send positions that are held.",
            path=f"{name}[{slots[worst]}]",
        )


def _refuse_value_of_nothing(quantity: Array, value: Array, names: Array, slots: Array) -> None:
    nothing = (quantity == 0) & (value > 0)
    if nothing.any():
        first = int(nothing.argmax())
        raise InvalidRequest(
            f"{names[slots[first]]} is worth {value[first]:g}, but none of it is held",
            "Send the quantity that current_value is the value of, or leave the holding out.",
            path=f"quantity[{slots[first]}]",
        )


def _check_weights(weight: Array, value: Array, names: Array, slots: Array) -> None:
    total = float(weight.sum())
    if abs(total - 1) > SUM_TOLERANCE:
        raise InvalidRequest(
            f"the weights add up to {total:.6g}, not to 1",
            "Send each holding's share of the portfolio's value, decimal.",
            path="weight",
        )
    if value.sum() <= 0:
        raise InvalidRequest("the holdings are worth 0", "Send what each is worth.", path="current_value")
    away = np.abs(weight - value / value.sum())
    if away.max() > VALUE_TOLERANCE:
        worst = int(away.argmax())
        raise InvalidRequest(
            f"{names[slots[worst]]} has weight {weight[worst]:.4g}, but {value[worst] / value.sum():.4g} of the value",
            "Send weights that are current_value's shares of its sum.",
            path=f"weight[{slots[worst]}]",
        )
