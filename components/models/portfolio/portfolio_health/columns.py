"""The 22 inputs of document 0 as 26 columns (five sectors, one each): units, bounds and signs. Imports numpy only."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray
from components.models.schema import Column

PROFILES: Final = ("conservative", "moderate", "aggressive")
"""Risk profiles by their code."""
SECTORS: Final = tuple(f"sector_concentration_{i}" for i in range(1, 6))
CLASSES: Final = ("equity_percent", "debt_percent", "gold_percent", "cash_percent")
RETURNS: Final = ("returns_1m", "returns_3m", "returns_6m", "returns_1y")
PERCENT: Final = "percent"

FEATURES: Final = (
    Column("total_value", "rupees", "Market value of everything held", 1.0, 1e13),
    Column("num_holdings", "holdings", "Securities in the equity part; all securities where it is empty", 1.0, 1e4),
    *(Column(name, PERCENT, f"Sector {name[-1]} by size, share of the equity part", 0.0, 100.0) for name in SECTORS),
    *(Column(name, PERCENT, "Share of the portfolio; the four are rescaled to 100", 0.0, 100.0) for name in CLASSES),
    Column("portfolio_beta", "ratio", "Of the portfolio's returns to the market's", -5.0, 10.0),
    Column("sharpe_ratio", "ratio", "Annualised", -20.0, 20.0),
    Column("sortino_ratio", "ratio", "Annualised", -40.0, 40.0),
    Column("max_drawdown", PERCENT, "Largest fall from a peak, positive", 0.0, 100.0),
    Column("volatility", "annualised percent", "Standard deviation of returns", 0.0, 300.0),
    Column("herfindahl_index", "decimal", "Sum of the squared weights of the holdings counted above", 1e-4, 1.0),
    Column("num_sectors", "sectors", "In the equity part", 0.0, 100.0),
    Column("num_asset_classes", "classes", "With money in them", 1.0, 20.0),
    *(Column(name, PERCENT, f"Return over the last {name[-2:]}", -100.0, 1000.0) for name in RETURNS),
    Column("age", "years", "Of the investor", 0.0, 120.0),
    Column("risk_profile", "code", "0 conservative, 1 moderate, 2 aggressive", 0.0, 2.0),
    Column("investment_horizon", "months", "Until the money is needed", 0.0, 1200.0),
)
NAMES: Final = tuple(column.name for column in FEATURES)
INDEX: Final = {name: i for i, name in enumerate(NAMES)}
AT_SECTORS: Final = [INDEX[name] for name in SECTORS]
AT_CLASSES: Final = [INDEX[name] for name in CLASSES]

NEVER_RAISE: Final = (*SECTORS, "herfindahl_index", "portfolio_beta", "max_drawdown", "volatility")
"""More of these never raises a score, everything else equal."""
NEVER_LOWER: Final = ("total_value", "sharpe_ratio", "sortino_ratio", "num_sectors", "num_asset_classes", *RETURNS)
"""More of these never lowers a score, everything else equal."""
SIGNS: Final[npt.NDArray[np.int64]] = np.array(
    [-1 if name in NEVER_RAISE else 1 if name in NEVER_LOWER else 0 for name in NAMES], dtype=np.int64
)
"""What both members guarantee by construction, per column; 0 where there is no such rule."""

_LOGARITHMS: Final = [INDEX[name] for name in ("total_value", "num_holdings", "herfindahl_index")]


def matrix(features: FloatArray) -> npt.NDArray[np.float32]:
    """Return what the members see: increasing transforms column by column, shares of the classes rescaled to 100.

    Parameters
    ----------
    features : ndarray of shape (rows, 26)
        In the order and the units of :data:`FEATURES`.

    Returns
    -------
    ndarray of float32, shape (rows, 26)
        Value, holdings and Herfindahl index as decimal logarithms. Every transform of a column with a sign increases,
        so that a model that is monotone in this matrix is monotone in the features.
    """
    seen = np.array(features, dtype=np.float64)
    seen[:, _LOGARITHMS] = np.log10(seen[:, _LOGARITHMS])
    shares = seen[:, AT_CLASSES]
    total = shares.sum(axis=1, keepdims=True)
    seen[:, AT_CLASSES] = 100 * shares / np.where(total > 0, total, 1.0)
    return seen.astype(np.float32)


def value(features: FloatArray, name: str) -> Any:
    """Return one column by its name, shape (rows,)."""
    return features[..., INDEX[name]]
