"""What a strategy can know at a close: traits of every security, and the state of the market; numpy alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from components.errors import DataRejected
from components.models.contract import FloatArray

TRAITS: Final = ("momentum", "reversal", "volatility", "sector_momentum", "drawdown")
"""Of every security: return from 252 to 21 days ago; return of 21 days; annualised standard deviation of 63 daily log
returns; its sector's return of 63 days less the average one; fall from the highest close of 63 days. All decimal."""

MARKET: Final = ("volatility", "sentiment", "index_return", "sector_return", "sector_dispersion")
"""Of the market: annualised volatility of equal shares over 63 days; sentiment; mean return of the market indices over
21 days; mean and standard deviation of the sectors' returns over 21 days. Decimal.

A panel of prices has no news, so that in training *breadth* stands for sentiment: the share of securities above their
mean close of 200 days, moved to -1..1. A request's sentiment takes its place.
"""

LOOKBACK: Final = 252
"""Closes before the first day whose traits are known."""

MONTH, QUARTER, LONG, YEAR = 21, 63, 200, 252


@dataclass(frozen=True)
class History:
    """Closes of some securities and what follows from them; day ``d`` counts the closes, from 0.

    Attributes
    ----------
    close : ndarray of shape (days, securities)
    names, sectors : tuple of str
        In the order of the columns.
    """

    close: FloatArray
    names: tuple[str, ...]
    sectors: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.close) <= LOOKBACK:
            raise DataRejected(
                f"There are {len(self.close)} days of closes.", f"Give more than {LOOKBACK}: traits look back a year."
            )

    @cached_property
    def returns(self) -> FloatArray:
        """Simple daily returns; row ``d`` is that from day ``d`` to ``d + 1``."""
        made: FloatArray = self.close[1:] / self.close[:-1] - 1
        return made

    @cached_property
    def traits(self) -> FloatArray:
        """Traits on every day from :data:`LOOKBACK` on, shape (days - 252, securities, traits)."""
        return security_traits(self.close, self.sectors)

    @cached_property
    def market(self) -> FloatArray:
        """State of the market on the same days, shape (days - 252, states)."""
        return market_states(self.close, self.sectors)

    @cached_property
    def scores(self) -> FloatArray:
        """Standardised traits of the same days."""
        return standardise(self.traits)

    @property
    def days(self) -> int:
        """Number of closes."""
        return len(self.close)


def security_traits(close: FloatArray, sectors: Sequence[str]) -> FloatArray:
    """Return the traits on every day that a year lies behind; none looks ahead.

    Parameters
    ----------
    close : ndarray of shape (days, securities)
    sectors : sequence of str
        Of the securities.
    """
    moved = _change(close, QUARTER)
    by_sector = sector_means(moved, sectors)
    _, place = np.unique(np.asarray(sectors, dtype=object).astype(str), return_inverse=True)
    return np.stack(
        [
            close[YEAR - MONTH : len(close) - MONTH] / close[: len(close) - YEAR] - 1,
            _change(close, MONTH),
            _volatility(np.diff(np.log(close), axis=0)),
            by_sector[:, place] - moved.mean(axis=1, keepdims=True),
            close[LOOKBACK:] / sliding_window_view(close, QUARTER, axis=0).max(axis=-1)[LOOKBACK - QUARTER + 1 :] - 1,
        ],
        axis=2,
    )


def market_states(close: FloatArray, sectors: Sequence[str]) -> FloatArray:
    """Return the state of the market on the same days."""
    average = np.log1p((close[1:] / close[:-1] - 1).mean(axis=1, keepdims=True))
    month = _change(close, MONTH)
    by_sector = sector_means(month, sectors)
    mean_200 = sliding_window_view(close, LONG, axis=0).mean(axis=-1)[LOOKBACK - LONG + 1 :]
    return np.column_stack(
        [
            _volatility(average)[:, 0],
            2 * (close[LOOKBACK:] > mean_200).mean(axis=1) - 1,
            month.mean(axis=1),
            by_sector.mean(axis=1),
            by_sector.std(axis=1),
        ]
    )


def sector_means(values: FloatArray, sectors: Sequence[str]) -> FloatArray:
    """Average columns by sector, sectors in alphabetical order."""
    names, place = np.unique(np.asarray(sectors, dtype=object).astype(str), return_inverse=True)
    return np.stack([values[:, place == i].mean(axis=1) for i in range(len(names))], axis=1)


def standardise(traits: FloatArray) -> FloatArray:
    """Return traits as distances from their mean over the securities, in standard deviations, at most 3.

    Parameters
    ----------
    traits : ndarray of shape (..., securities, traits)

    Returns
    -------
    ndarray of the same shape
        0 where all securities are alike, and for a security alone.
    """
    centred = traits - traits.mean(axis=-2, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-2, keepdims=True))
    scaled: FloatArray = np.clip(np.where(spread > 1e-12, centred / np.maximum(spread, 1e-12), 0.0), -3.0, 3.0)
    return scaled


def _change(close: FloatArray, days: int) -> npt.NDArray[Any]:
    made: FloatArray = close[LOOKBACK:] / close[LOOKBACK - days : len(close) - days] - 1
    return made


def _volatility(log_returns: FloatArray) -> FloatArray:
    windows = sliding_window_view(log_returns, QUARTER, axis=0)[LOOKBACK - QUARTER :]
    spread: FloatArray = windows.std(axis=-1, ddof=1) * np.sqrt(YEAR)
    return spread
