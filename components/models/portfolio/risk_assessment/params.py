"""Hyper-parameters of the risk assessment."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Params:
    """What is chosen rather than learnt.

    Attributes
    ----------
    paths : int
        Simulated years.
    pool : int
        Most recent training days that are drawn from.
    own_history : float
        Weight (of the logs) of the volatility that the portfolio's own history tells, beside that of its holdings'
        volatilities and residual rows: the former knows how correlations move, the latter what each holding does now.
    seed : int
        Of the paths.
    """

    paths: int = 2000
    pool: int = 2500
    own_history: float = 0.5
    seed: int = 7
