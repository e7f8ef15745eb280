"""What an owner could do, as changes of the features: the counterfactuals behind the recommendations.

Each action changes every feature that follows from it as far as the features alone determine it, and nothing else.
What was earned in the past stays: returns, Sharpe and Sortino ratio are history (and mixing with bonds or cash hardly
changes a ratio of return to risk). Risk that is ahead does move: volatility, drawdown and beta change in proportion to
the equity share. Imports numpy only.

A portfolio to which an action does not apply comes back as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray
from components.models.portfolio.portfolio_health.columns import (
    AT_CLASSES,
    AT_SECTORS,
    CLASSES,
    INDEX,
    value,
)

Mask = npt.NDArray[np.bool_]
Change = Callable[[FloatArray], tuple[FloatArray, Mask]]

SECTOR_TARGET = 25.0
"""Percent of the equity part that the largest sector is reduced to, or an even share of few sectors."""
CASH_RESERVE = 5.0
"""Percent of the portfolio that stays in cash when cash is put to work."""
NEW_HOLDINGS, NEW_SECTORS, NEW_CLASS = 5, 2, 10.0
"""Holdings and sectors that are added, and percent of the portfolio that goes into a new asset class."""
MOST_HOLDINGS, MOST_SECTORS = 40, 8
"""From here on no holdings, no sectors are added."""
CALMER = 0.8
"""Volatility and drawdown that remain after the change to calmer holdings."""


@dataclass(frozen=True)
class Action:
    """One thing to do.

    Attributes
    ----------
    name : str
        Column of the model's counterfactual outputs.
    kind : str
        The ``type`` of its recommendation; of actions of one ``group`` only the best is recommended.
    group : str
    column : str
        The feature that it is about; its new value is told.
    change : callable
        Features of shape (rows, 26) to the changed ones and to which rows it applies.
    """

    name: str
    kind: str
    group: str
    column: str
    change: Change


def scenes(features: FloatArray) -> FloatArray:
    """Return every portfolio as it is and after each action, shape (rows, 1 + actions, 26)."""
    made = [features]
    for action in ACTIONS:
        changed, applies = action.change(features)
        made.append(np.where(applies[:, None], changed, features))
    return np.stack(made, axis=1)


def targets(seen: FloatArray) -> FloatArray:
    """Return the new value of each action's column, shape (rows, actions), from :func:`scenes`."""
    return np.stack([seen[:, 1 + i, INDEX[action.column]] for i, action in enumerate(ACTIONS)], axis=1)


def _reduce_largest_sector(features: FloatArray) -> tuple[FloatArray, Mask]:
    """Sell the largest sector down and buy the others in proportion; holdings within a sector keep their shape."""
    x, sectors = features.copy(), value(features, "num_sectors")
    largest = features[:, AT_SECTORS[0]]
    target = np.maximum(SECTOR_TARGET, 100 / np.maximum(sectors, 1.0))
    applies = (sectors >= 2) & (largest > target + 5) & (largest < 99.9) & _has_equity(features)
    growth = (100 - target) / np.maximum(100 - largest, 0.1)
    others = features[:, AT_SECTORS[1:]] * growth[:, None]
    x[:, AT_SECTORS] = -np.sort(-np.column_stack([target, others]), axis=1)
    x[:, INDEX["herfindahl_index"]] *= _squares(x) / np.maximum(_squares(features), 1e-9)
    return _settled(x), applies


def _add_sectors(features: FloatArray) -> tuple[FloatArray, Mask]:
    """Buy one holding in each of two new sectors, of an average sector's size, from everything else in proportion."""
    x, sectors = features.copy(), value(features, "num_sectors")
    each = 1 / (sectors + NEW_SECTORS)
    kept = 1 - NEW_SECTORS * each
    fresh = np.repeat(100 * each[:, None], NEW_SECTORS, axis=1)
    every = np.column_stack([features[:, AT_SECTORS] * kept[:, None], fresh])
    x[:, AT_SECTORS] = -np.sort(-every, axis=1)[:, : len(AT_SECTORS)]
    x[:, INDEX["num_sectors"]] += NEW_SECTORS
    _buy(x, NEW_SECTORS, NEW_SECTORS * each)
    return _settled(x), (sectors >= 1) & (sectors < MOST_SECTORS) & _has_equity(features)


def _spread_holdings(features: FloatArray) -> tuple[FloatArray, Mask]:
    """Bring the holdings half way to equal weights; sectors stay."""
    x, holdings, index = features.copy(), value(features, "num_holdings"), value(features, "herfindahl_index")
    even = 1 / np.maximum(holdings, 1.0)
    x[:, INDEX["herfindahl_index"]] = np.minimum(even + 0.5 * (index - even), index)
    return x, (holdings >= 2) & (index > 1.3 * even)


def _add_holdings(features: FloatArray) -> tuple[FloatArray, Mask]:
    """Buy five holdings of an average one's size in the same sectors, from the others in proportion."""
    x, holdings = features.copy(), value(features, "num_holdings")
    _buy(x, NEW_HOLDINGS, NEW_HOLDINGS / (holdings + NEW_HOLDINGS))
    return _settled(x), (holdings < MOST_HOLDINGS) & _has_equity(features)


def _consolidate_holdings(features: FloatArray) -> tuple[FloatArray, Mask]:
    """Sell the smaller half of the holdings into the others; what makes the weights uneven stays."""
    x, holdings, index = features.copy(), value(features, "num_holdings"), value(features, "herfindahl_index")
    left = np.maximum(np.ceil(holdings / 2), 1.0)
    x[:, INDEX["num_holdings"]] = left
    x[:, INDEX["herfindahl_index"]] = 1 / left + np.maximum(index - 1 / holdings, 0.0)
    return _settled(x), holdings >= 10


def _move(source: str, destination: str, points: float) -> Change:
    """Return an action that moves ``points`` percent of the portfolio from one class to another."""

    def change(features: FloatArray) -> tuple[FloatArray, Mask]:
        moved = np.zeros((len(features), len(CLASSES)))
        moved[:, CLASSES.index(source)], moved[:, CLASSES.index(destination)] = -points, points
        return _reweigh(features, moved), value(features, source) >= points

    return change


def _deploy_cash(features: FloatArray) -> tuple[FloatArray, Mask]:
    """Invest cash above the reserve in equity and debt as they stand to each other."""
    idle = value(features, "cash_percent") - CASH_RESERVE
    equity, debt = value(features, "equity_percent"), value(features, "debt_percent")
    part = equity / np.maximum(equity + debt, 1e-9)
    moved = np.stack([idle * part, idle * (1 - part), np.zeros_like(idle), -idle], axis=1)
    return _reweigh(features, moved), (idle >= 2) & (equity + debt > 0)


def _add_asset_class(features: FloatArray) -> tuple[FloatArray, Mask]:
    """Open the class that is missing, debt before gold, with money from the largest class."""
    shares = features[:, AT_CLASSES]
    rows = np.arange(len(features))
    fresh = np.where(shares[:, 1] == 0, 1, 2)
    largest = shares.argmax(axis=1)
    moved = np.zeros_like(shares)
    moved[rows, fresh] = NEW_CLASS
    moved[rows, largest] -= NEW_CLASS
    return _reweigh(features, moved), (shares[rows, fresh] == 0) & (shares[rows, largest] >= 2 * NEW_CLASS)


def _calmer_holdings(features: FloatArray) -> tuple[FloatArray, Mask]:
    """Change to holdings that move less: volatility, drawdown and (positive) beta fall."""
    x = features.copy()
    for name in ("volatility", "max_drawdown", "portfolio_beta"):
        x[:, INDEX[name]] = np.where(x[:, INDEX[name]] > 0, CALMER, 1.0) * x[:, INDEX[name]]
    return x, (value(features, "volatility") > 5) & _has_equity(features)


def _buy(x: FloatArray, count: int, share: FloatArray) -> None:
    """Add equal holdings, together ``share`` of the equity part (decimal), from the others in proportion; in place."""
    at = INDEX["herfindahl_index"]
    x[:, at] = x[:, at] * (1 - share) ** 2 + share**2 / count
    x[:, INDEX["num_holdings"]] += count


def _reweigh(features: FloatArray, moved: FloatArray) -> FloatArray:
    """Move percent of the portfolio between the classes, shape (rows, 4), and risk with the equity share."""
    x = features.copy()
    before = features[:, AT_CLASSES]
    after = np.maximum(before + moved, 0.0)
    x[:, AT_CLASSES] = after
    opened = ((after > 0) & (before == 0)).sum(axis=1) - ((after == 0) & (before > 0)).sum(axis=1)
    x[:, INDEX["num_asset_classes"]] = np.maximum(value(features, "num_asset_classes") + opened, 1.0)
    equity, added = before[:, 0], after[:, 0] - before[:, 0]
    for name, (least, most) in RISK_PER_POINT.items():
        now = value(features, name)
        per_point = np.clip(now / np.maximum(equity, 1.0), least, most)
        # What is given up cannot be more risk than there is.
        x[:, INDEX[name]] = np.maximum(now + added * per_point, np.minimum(now, 0.0))
    return _settled(x)


RISK_PER_POINT: Final = {"volatility": (0.10, 0.40), "max_drawdown": (0.15, 0.70), "portfolio_beta": (0.005, 0.015)}
"""Least and most of each risk that a percent of equity brings: a portfolio with hardly any equity says little of it."""


def _settled(x: FloatArray) -> FloatArray:
    """Return the rows within the bounds that follow from what the figures are; in place."""
    at = INDEX["herfindahl_index"]
    x[:, at] = np.clip(x[:, at], 1 / np.maximum(value(x, "num_holdings"), 1.0), 1.0)
    x[:, INDEX["max_drawdown"]] = np.clip(value(x, "max_drawdown"), 0.0, 100.0)
    return x


def _squares(x: FloatArray) -> FloatArray:
    """Return the sum of squared sector shares, the sectors beyond the fifth taken as even; percent squared."""
    top = x[:, AT_SECTORS]
    rest = np.maximum(100 - top.sum(axis=1), 0.0)
    beyond = np.maximum(value(x, "num_sectors") - len(AT_SECTORS), 1.0)
    total: FloatArray = (top**2).sum(axis=1) + rest**2 / beyond
    return total


def _has_equity(x: FloatArray) -> Mask:
    share: Mask = value(x, "equity_percent") >= 5
    return share


_EQUITY, _DEBT = "equity_percent", "debt_percent"
ACTIONS: Final = (
    Action("reduce_largest_sector", "rebalance", "sectors", "sector_concentration_1", _reduce_largest_sector),
    Action("add_sectors", "diversify", "sectors", "num_sectors", _add_sectors),
    Action("spread_holdings", "rebalance", "holdings", "herfindahl_index", _spread_holdings),
    Action("add_holdings", "diversify", "holdings", "num_holdings", _add_holdings),
    Action("consolidate_holdings", "consolidate", "holdings", "num_holdings", _consolidate_holdings),
    Action("equity_to_debt_10", "rebalance", "allocation", _EQUITY, _move(_EQUITY, _DEBT, 10)),
    Action("equity_to_debt_20", "rebalance", "allocation", _EQUITY, _move(_EQUITY, _DEBT, 20)),
    Action("debt_to_equity_10", "rebalance", "allocation", _EQUITY, _move(_DEBT, _EQUITY, 10)),
    Action("debt_to_equity_20", "rebalance", "allocation", _EQUITY, _move(_DEBT, _EQUITY, 20)),
    Action("deploy_cash", "invest_cash", "cash", "cash_percent", _deploy_cash),
    Action("add_asset_class", "diversify", "classes", "num_asset_classes", _add_asset_class),
    Action("calmer_holdings", "reduce_risk", "risk", "volatility", _calmer_holdings),
)
IMPROVING: Final = ("spread_holdings", "calmer_holdings")
"""Actions that move nothing but columns with a sign, all for the better: they can never lower a score."""
