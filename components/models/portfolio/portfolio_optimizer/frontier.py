"""Efficient frontier under the limits of weights and sectors: Markowitz (1952), doi:10.2307/2975974."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.models.portfolio.portfolio_optimizer.constraints import Constraints
from components.models.portfolio.portfolio_optimizer.estimate import Beliefs
from components.models.portfolio.portfolio_optimizer.params import FRONTIER, YEAR
from components.models.portfolio.portfolio_optimizer.quadratic import Program

Matrix = npt.NDArray[np.float64]


def efficient_frontier(beliefs: Beliefs, constraints: Constraints) -> Matrix:
    """Return portfolios of least variance for expected returns from that of the least variance to the largest.

    Returns
    -------
    ndarray of shape (points, 2)
        Annualised volatility and expected return, both ascending. Where the program of a point fails, its neighbour
        stands in for it.
    """
    free = constraints.without_turnover()
    program, floored = Program(free), Program(free, floored=beliefs.mean * YEAR)
    # Annual numbers are near one, which is where the solver's tolerances are.
    covariance, mean = beliefs.covariance * YEAR, beliefs.mean * YEAR
    least = program.minimise(covariance, np.zeros(len(mean)))
    most = program.minimise(np.zeros_like(covariance), -mean)
    if least is None or most is None:
        return np.zeros((FRONTIER, 2))
    points, weights = np.empty((FRONTIER, 2)), least
    for i, floor in enumerate(np.linspace(float(mean @ least), float(mean @ most), FRONTIER)):
        if i == FRONTIER - 1:
            weights = most
        elif i:
            found = floored.minimise(covariance, np.zeros(len(mean)), float(floor))
            weights = weights if found is None else found
        points[i] = np.sqrt(weights @ covariance @ weights), mean @ weights
    return points
