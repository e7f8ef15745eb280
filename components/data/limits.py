"""The thresholds of the data quality checks, each with its origin."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """When bars are flagged, repaired or rejected.

    Attributes
    ----------
    min_rows : int
        Fewest bars of a security (document 2).
    max_missing : float
        Largest share of missing values in a column, decimal (documents 0 and 2: 5 %). Below it, rows without a price
        or a volume are dropped and treated as gaps, so that what is accepted is complete.
    max_bad_rows : float
        Largest share of rows that break a rule, decimal; above it the file is not trusted at all.
    extreme_change : float
        Change of the close from bar to bar that is flagged and kept, decimal (document 2: 50 %).
    max_fill : int
        Longest gap, in bars, that is forward-filled with the last close and volume 0.
    max_gaps : float
        Largest share of expected bars that may be absent, decimal.
    stale_minutes : float
        Age of the newest bar above which the data are stale (document 2: 30 minutes), counted while the exchange is
        open.
    tolerance : float
        Rounding that is forgiven in the relations of open, high, low and close, relative to the close.
    """

    min_rows: int = 20
    max_missing: float = 0.05
    max_bad_rows: float = 0.01
    extreme_change: float = 0.5
    max_fill: int = 2
    max_gaps: float = 0.05
    stale_minutes: float = 30.0
    tolerance: float = 1e-6


LIMITS = Limits()
