"""Monte Carlo paths by filtered historical simulation: real days drawn anew, scaled by a variance that reacts to them.

A day is a row of standardised residuals, one of each asset, so that whatever moves together in the tails does so on
every drawn day. Barone-Adesi, Giannopoulos and Vosper (1999), VaR without correlations for portfolios of derivative
securities, Journal of Futures Markets 19(5), 583-602.

Two ways to walk the days:

- :func:`simulate_assets` gives every asset a GJR variance of its own: the reference, and slow.
- :func:`simulate_projected` first projects the rows on the portfolio (weight times volatility), and gives the portfolio
  one GJR variance. The first day has the same distribution, to the last bit; so has every day when variances do not
  react. When they do, later days differ in so far as the assets' variances would have moved apart.

Weights are held constant: the portfolio is brought back to them every day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Draws = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Dynamics:
    """How a variance follows shocks, relative to its own level: GJR-GARCH(1,1) without its constant.

    Attributes
    ----------
    alpha, gamma, beta : float or ndarray of shape (assets,)
        Weight of the last squared standardised shock, what a fall adds to it, and weight of the last variance. The
        constant follows from the long-run variance.
    """

    alpha: Any
    gamma: Any
    beta: Any

    @property
    def persistence(self) -> Any:
        """What is left of a deviation after a day, for shocks of unit variance that fall half of the time."""
        return self.alpha + 0.5 * self.gamma + self.beta


STILL = Dynamics(0.0, 0.0, 1.0)
"""A variance that never moves."""


def draw_days(rows: int, days: int, paths: int, seed: int, balanced: bool = True) -> Draws:
    """Draw rows for every day of every path.

    Parameters
    ----------
    rows : int
        Rows to draw from.
    days, paths : int
        Shape of the answer.
    seed : int
    balanced : bool
        Whether every row is drawn equally often (give or take one), which takes sampling noise out of the mean: the
        balanced bootstrap of Davison, Hinkley and Schechtman (1986), doi:10.1093/biomet/73.3.555. Costs a permutation.

    Returns
    -------
    ndarray of uint16 or int32, shape (days, paths)
    """
    kind: Any = np.uint16 if rows <= 1 << 16 else np.int32
    rng = np.random.default_rng(seed)
    if not balanced:
        return rng.integers(0, rows, (days, paths), dtype=kind)
    cells = days * paths
    laid = np.resize(np.arange(rows, dtype=kind), cells)
    # The rest of the last round goes to rows at random, not to the oldest ones.
    laid[cells - cells % rows :] = rng.permutation(rows)[: cells % rows]
    rng.shuffle(laid)
    return laid.reshape(days, paths)


def simulate_projected(
    shocks: Floats, draws: Draws, dynamics: Dynamics = STILL, long_run: float = 1.0, drift: float | Floats = 0.0
) -> Floats:
    """Return daily portfolio returns of every path, from the portfolio's own shocks.

    Parameters
    ----------
    shocks : ndarray of shape (rows,)
        What each row would do to the portfolio at today's volatilities: residuals times (weight times volatility),
        decimal, of mean 0. Its floating type is the type that is computed in.
    draws : ndarray of shape (days, paths)
        From :func:`draw_days`.
    dynamics : Dynamics
        Of the portfolio's variance; numbers.
    long_run : float
        Long-run variance relative to today's.
    drift : float or ndarray of shape (days,)
        Expected return a day, decimal.

    Returns
    -------
    ndarray of shape (days, paths)
        Simple returns, decimal.
    """
    kind = shocks.dtype.type
    daily = np.broadcast_to(np.asarray(drift, dtype=shocks.dtype), len(draws))
    spread = float(shocks.std())
    out = np.empty(draws.shape, dtype=shocks.dtype)
    still = dynamics.alpha == dynamics.gamma == 0 and (dynamics.beta == 1 or long_run == 1)
    if still or spread == 0:
        return np.add(np.take(shocks, draws, out=out, mode="clip"), daily[:, None], out=out)
    # The reaction of the variance to each row is known beforehand: two look-ups a step instead of squares and signs.
    unit = (shocks.astype(np.float64) / spread) ** 2
    keep = (dynamics.beta + (dynamics.alpha + dynamics.gamma * (shocks < 0)) * unit).astype(shocks.dtype)
    constant = kind((1 - dynamics.persistence) * long_run)
    variance = np.ones(draws.shape[1], dtype=shocks.dtype)
    for day, drawn in enumerate(draws):
        row = np.take(shocks, drawn, out=out[day], mode="clip")
        row *= np.sqrt(variance)
        row += daily[day]
        variance *= keep.take(drawn, mode="clip")
        variance += constant
    return out


def simulate_assets(
    residuals: Floats,
    volatility: Floats,
    weights: Floats,
    draws: Draws,
    dynamics: Dynamics = STILL,
    long_run: Floats | float = 1.0,
    drift: float = 0.0,
) -> Floats:
    """Return daily portfolio returns of every path, every asset having its own variance: the slow reference.

    Parameters
    ----------
    residuals : ndarray of shape (rows, assets)
        Standardised, of mean 0 and variance 1.
    volatility, weights : ndarray of shape (assets,)
        Daily volatility for tomorrow, decimal; weights of the portfolio, decimal.
    draws : ndarray of shape (days, paths)
        From :func:`draw_days`.
    dynamics : Dynamics
        Of each asset's variance.
    long_run : float or ndarray of shape (assets,)
        Long-run variance of each asset relative to today's.
    drift : float
        Expected portfolio return a day, decimal.

    Returns
    -------
    ndarray of shape (days, paths)
        Simple returns, decimal.
    """
    kind: Any = residuals.dtype
    moves = (residuals * (weights * volatility)).astype(kind)
    keep = (dynamics.beta + (dynamics.alpha + dynamics.gamma * (residuals < 0)) * residuals**2).astype(kind)
    constant = np.asarray((1 - dynamics.persistence) * long_run, dtype=kind)
    variance = np.ones((draws.shape[1], residuals.shape[1]), dtype=kind)
    out = np.empty(draws.shape, dtype=kind)
    for day, drawn in enumerate(draws):
        np.einsum("pa,pa->p", np.sqrt(variance), moves.take(drawn, axis=0, mode="clip"), out=out[day])
        variance *= keep.take(drawn, axis=0, mode="clip")
        variance += constant
    out += kind.type(drift)
    return out


def compound(returns: Floats) -> Floats:
    """Return what 1 has become after every day, shape (days, paths); a portfolio cannot fall below 0."""
    grown: Floats = returns + 1
    np.maximum(grown, 0, out=grown)
    # Row by row: six times as fast as cumprod along the first axis, which walks down columns.
    for day in range(1, len(grown)):
        np.multiply(grown[day - 1], grown[day], out=grown[day])
    return grown
