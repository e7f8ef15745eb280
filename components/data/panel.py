"""Panel: bars of many securities as one table of closes, times by securities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from components.errors import DataRejected

if TYPE_CHECKING:
    import pandas as pd

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """Closes of securities that all have a price at every time.

    Attributes
    ----------
    times : ndarray of datetime64[ns], shape (times,)
        Ascending: when the closes were known, UTC.
    names : tuple of str
        Securities, in the order of the columns.
    close : ndarray of shape (times, securities)
        In each security's own unit.
    """

    times: npt.NDArray[np.datetime64]
    names: tuple[str, ...]
    close: Matrix

    @property
    def returns(self) -> Matrix:
        """Simple returns, decimal, shape (times - 1, securities); row ``i`` is known at ``times[i + 1]``."""
        made: Matrix = self.close[1:] / self.close[:-1] - 1
        return made

    @property
    def log_returns(self) -> Matrix:
        """Log returns, shape (times - 1, securities); row ``i`` is known at ``times[i + 1]``."""
        made: Matrix = np.diff(np.log(self.close), axis=0)
        return made


def build_panel(bars: pd.DataFrame, min_share: float = 0.8, longest_gap: int = 5) -> Panel:
    """Lay bars out as a panel without holes.

    Securities with a close at fewer than ``min_share`` of the panel's times are left out; the panel starts when the
    last of the others does. A hole of up to ``longest_gap`` times (a suspension) is filled with the last close; a
    longer one leaves the security out.

    Parameters
    ----------
    bars : DataFrame
        A bars frame of one bar length (see :mod:`components.data.bars`).
    min_share : float
        Smallest share of times, decimal.
    longest_gap : int
        In times.

    Raises
    ------
    DataRejected
        If no security is left.
    """
    wide = bars.pivot(index="timestamp", columns="entity", values="close").sort_index()
    kept = wide.loc[:, wide.notna().mean() >= min_share]
    first = kept.apply(lambda column: column.first_valid_index()).max() if kept.shape[1] else None
    filled = kept.loc[first:].ffill(limit=longest_gap) if first is not None else kept
    filled = filled.loc[:, filled.notna().all()] if filled.shape[1] else filled
    if filled.empty:
        raise DataRejected(
            f"None of {wide.shape[1]} securities has closes at {min_share:.0%} of {len(wide)} times without holes.",
            "Give a file whose securities trade on the same days.",
        )
    return Panel(
        filled.index.to_numpy("datetime64[ns]"), tuple(map(str, filled.columns)), filled.to_numpy(dtype=np.float64)
    )
