"""Recommendations in document 0's words, from what the model says each action would change. Imports numpy only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy.typing as npt

from components.models.portfolio.portfolio_health.actions import ACTIONS, CASH_RESERVE

LEAST_IMPACT: Final = 1.0
"""Points by which an action must raise the score to be recommended."""
HIGH, MEDIUM = 5.0, 2.5
"""Least impact of a high and of a medium priority, points; document 0's example of +5 is high."""

Values = Mapping[str, float]


@dataclass(frozen=True)
class Advice:
    """One recommendation.

    Attributes
    ----------
    kind, priority, message, impact : str
        ``type``, ``priority``, ``message`` and ``impact`` of document 0.
    """

    kind: str
    priority: str
    message: str
    impact: str


def advise(outputs: Mapping[str, npt.NDArray[Any]], row: int, values: Values, largest_sector: str = "") -> list[Advice]:
    """Return what raises the score by a point or more, the most first; of alternatives only the best.

    Parameters
    ----------
    outputs : mapping of str to ndarray
        The model's.
    row : int
        Row of the batch.
    values : mapping of str to float
        The portfolio's features by name.
    largest_sector : str
        Its name; empty where it is not known.
    """
    changes = outputs["counterfactual_change"][row]
    order = sorted(range(len(ACTIONS)), key=lambda i: -float(changes[i]))
    advised: list[Advice] = []
    groups: set[str] = set()
    for i in order:
        action, change = ACTIONS[i], float(changes[i])
        if change < LEAST_IMPACT or action.group in groups:
            continue
        groups.add(action.group)
        message = _MESSAGES[action.name](values, float(outputs["counterfactual_target"][row, i]), largest_sector)
        advised.append(Advice(action.kind, priority(change), message, f"+{round(change)} health score"))
    return advised


def priority(change: float) -> str:
    """Return the priority of a change of the score, points."""
    return "high" if round(change) >= HIGH else "medium" if change >= MEDIUM else "low"


def _sector(values: Values, target: float, name: str) -> str:
    whose = f"{name} sector exposure" if name else "exposure to your largest sector"
    return f"Consider reducing {whose} (currently {_percent(values['sector_concentration_1'])})"


def _sectors(values: Values, target: float, name: str) -> str:
    now = values["num_sectors"]
    return f"Consider adding holdings in {target - now:.0f} new sectors (currently {now:.0f})"


def _spread(values: Values, target: float, name: str) -> str:
    return (
        "Consider evening out the size of your holdings: they diversify like "
        f"{1 / values['herfindahl_index']:.1f} equal ones (currently {values['num_holdings']:.0f} holdings)"
    )


def _more(values: Values, target: float, name: str) -> str:
    return f"Consider adding holdings: {target:.0f} would diversify better (currently {values['num_holdings']:.0f})"


def _fewer(values: Values, target: float, name: str) -> str:
    return f"Consider merging small holdings into about {target:.0f} (currently {values['num_holdings']:.0f})"


def _shift(source: str, destination: str) -> Callable[[Values, float, str], str]:
    def say(values: Values, target: float, name: str) -> str:
        now = values["equity_percent"]
        moved = f"{_percent(abs(target - now))} of the portfolio from {source} to {destination}"
        return f"Consider moving {moved} (equity currently {_percent(now)})"

    return say


def _cash(values: Values, target: float, name: str) -> str:
    now = _percent(values["cash_percent"])
    return f"Consider investing idle cash above {_percent(CASH_RESERVE)} (currently {now})"


def _class(values: Values, target: float, name: str) -> str:
    missing = "debt" if values["debt_percent"] == 0 else "gold"
    return f"Consider adding {missing} as an asset class (currently {values['num_asset_classes']:.0f})"


def _calmer(values: Values, target: float, name: str) -> str:
    return (
        f"Consider holdings that fluctuate less: volatility of {_percent(target)} a year "
        f"(currently {_percent(values['volatility'])})"
    )


def _percent(value: float) -> str:
    """Write percent as document 0 does, without a space and without needless digits."""
    return f"{value:.0f}%"


_MESSAGES: Final[dict[str, Callable[[Values, float, str], str]]] = {
    "reduce_largest_sector": _sector,
    "add_sectors": _sectors,
    "spread_holdings": _spread,
    "add_holdings": _more,
    "consolidate_holdings": _fewer,
    "equity_to_debt_10": _shift("equity", "debt"),
    "equity_to_debt_20": _shift("equity", "debt"),
    "debt_to_equity_10": _shift("debt", "equity"),
    "debt_to_equity_20": _shift("debt", "equity"),
    "deploy_cash": _cash,
    "add_asset_class": _class,
    "calmer_holdings": _calmer,
}
