"""Universe: all that a trained risk assessment knows of its securities, as arrays that a server reads with numpy."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from components.finance.arrays import load_arrays, save_arrays
from components.finance.paths import Dynamics

Array = npt.NDArray[Any]
DEPTHS: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6)
"""Depths of drawdown at which recoveries are known, decimal."""
MONTHS: Final = 120
"""Months up to which it is known how many drawdowns last."""
MARKET: Final = -1
"""Column of the market in arrays that have one column more than there are securities."""


@dataclass(frozen=True)
class Facts:
    """Numbers and names.

    Attributes
    ----------
    names, sectors : tuple of str
        Securities, and the sector of each.
    market_drift : float
        Mean daily return of the market, decimal.
    bear_tilt, bull_tilt : float
        What a trend adds to it, decimal a day, at first.
    trend_decay : float
        Share of the tilt that is left a day later.
    index_premium : float
        Mean log ratio of the volatility index to the market's volatility.
    index_elasticity : float
        By how much the log of realised volatility follows that of the index beyond the premium, 0 to 1.
    """

    names: tuple[str, ...]
    sectors: tuple[str, ...]
    market_drift: float
    bear_tilt: float
    bull_tilt: float
    trend_decay: float
    index_premium: float
    index_elasticity: float


@dataclass(frozen=True)
class Universe:
    """What is known of a universe of securities at the end of its training data.

    Attributes
    ----------
    facts : Facts
    residuals : ndarray of float32, shape (pool, securities)
        Standardised by volatilities that were forecast before; of mean 0. Rows are days.
    market : ndarray of float32, shape (pool,)
        The same of the equally weighted market.
    volatility : ndarray of shape (securities + 1,)
        Daily volatility for tomorrow, decimal; the market's last. So in all arrays of that length.
    long_run : ndarray of shape (securities + 1,)
        Long-run daily volatility, decimal.
    alpha, gamma, beta : ndarray of shape (securities + 1,)
        Dynamics of the variances.
    recent : ndarray of float32, shape (days, securities)
        Most recent daily returns, decimal.
    crises : ndarray of shape (3, securities)
        Return of each security through the crises and through its own sector's worst quarter, decimal.
    lasting : ndarray of shape (len(DEPTHS), MONTHS + 1)
        Share of drawdowns of a depth that are not made up for after so many months.
    """

    facts: Facts
    residuals: Array
    market: Array
    volatility: Array
    long_run: Array
    alpha: Array
    gamma: Array
    beta: Array
    recent: Array
    crises: Array
    lasting: Array

    def save(self, directory: Path) -> None:
        """Write ``universe.json`` and ``universe.safetensors``."""
        (directory / "universe.json").write_text(json.dumps(asdict(self.facts)) + "\n", encoding="utf-8")
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "facts"}
        save_arrays(directory / "universe.safetensors", arrays)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        raw = json.loads((directory / "universe.json").read_text(encoding="utf-8"))
        facts = Facts(**{**raw, "names": tuple(raw["names"]), "sectors": tuple(raw["sectors"])})
        return cls(facts, **load_arrays(directory / "universe.safetensors"))

    @cached_property
    def column(self) -> dict[str, int]:
        """Column of each security."""
        return {name: i for i, name in enumerate(self.facts.names)}

    @cached_property
    def sector_of(self) -> Array:
        """Number of each security's sector, in the order of :attr:`sector_names`."""
        return np.array([self.sector_names.index(sector) for sector in self.facts.sectors])

    @cached_property
    def sector_names(self) -> tuple[str, ...]:
        """Sectors, sorted."""
        return tuple(sorted(set(self.facts.sectors)))

    @cached_property
    def market_dynamics(self) -> Dynamics:
        """Of the market's variance."""
        return Dynamics(*(float(a[MARKET]) for a in (self.alpha, self.gamma, self.beta)))

    @cached_property
    def sector_moves(self) -> Array:
        """What each pooled day did to each sector beyond its share in the market's move.

        At today's volatilities, decimal, shape (pool, sectors).
        """
        moves = self.residuals * self.volatility[:MARKET]
        sectors = np.stack([moves[:, self.sector_of == s].mean(axis=1) for s in range(len(self.sector_names))], axis=1)
        gearing = self.market @ sectors / (self.market @ self.market)
        beyond: Array = (sectors - self.market[:, None] * gearing).astype(np.float32)
        return beyond
