"""Quadratic programs over a portfolio's weights, given to Clarabel as matrices.

skfolio answers the question itself; what surrounds it (is there an answer at all, the frontier, the nearest allowed
portfolio) is dozens of small programs, for which CVXPY's ten milliseconds of bookkeeping each would be most of the
time.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from components.models.portfolio.portfolio_optimizer.constraints import Constraints

Vector = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float64]


class Program:
    """Constraints as matrices, built once for many objectives.

    Parameters
    ----------
    constraints : Constraints
    trades : bool
        Whether to carry the absolute changes of weights as variables even where turnover is not limited.
    floored : ndarray of shape (securities,), or None
        A vector whose product with the weights has a floor, which :meth:`minimise` names.
    """

    def __init__(self, constraints: Constraints, trades: bool = False, floored: Vector | None = None) -> None:
        from scipy import sparse

        self.size = size = len(constraints.low)
        self.trades = trades or bool(np.isfinite(constraints.traded))
        eye = np.eye(size)
        rows = [np.ones((1, size)), -eye, eye, constraints.members]
        bounds = [np.ones(1), -constraints.low, constraints.high, constraints.sector_limits]
        if self.trades:
            rows = [np.hstack([block, np.zeros((len(block), size))]) for block in rows]
            rows += [np.hstack([eye, -eye]), np.hstack([-eye, -eye])]
            bounds += [constraints.current, -constraints.current]
            if np.isfinite(constraints.traded):
                rows.append(np.r_[np.zeros(size), np.ones(size)][None, :])
                bounds.append(np.array([constraints.traded]))
        self.width = 2 * size if self.trades else size
        self.floored = floored is not None
        if floored is not None:
            rows.append(np.r_[-floored, np.zeros(self.width - size)][None, :])
            bounds.append(np.zeros(1))
        self.rows = sparse.csc_matrix(np.vstack(rows))
        self.lower = np.tril_indices(size)
        # Columns of an upper triangle: 1, 2, 3, ... values from the first row on, none for what is traded.
        self.column_ends = np.concatenate(
            [np.arange(size + 1).cumsum(), np.full(self.width - size, len(self.lower[0]))]
        )
        self.bounds = np.concatenate(bounds)

    def minimise(
        self, quadratic: Matrix, linear: Vector, floor: float = 0.0, trade_price: float = 0.0
    ) -> Vector | None:
        """Minimise ``w' quadratic w / 2 + linear' w + trade_price * sum |w - current|``.

        Parameters
        ----------
        quadratic : ndarray of shape (securities, securities)
            Positive semidefinite.
        linear : ndarray of shape (securities,)
        floor : float
            Of the product with ``floored``.
        trade_price : float
            Of a traded unit; needs ``trades``.

        Returns
        -------
        ndarray of shape (securities,) or None
            None where no weights satisfy the constraints.
        """
        import clarabel
        from scipy import sparse

        # The solver reads the upper triangle by columns, which is the lower one by rows.
        by_column = quadratic.T[self.lower], self.lower[1], self.column_ends
        square = sparse.csc_matrix(by_column, shape=(self.width, self.width))
        price = np.r_[linear, np.full(self.width - self.size, trade_price)]
        bounds = np.r_[self.bounds[:-1], -floor] if self.floored else self.bounds
        settings = clarabel.DefaultSettings()
        settings.verbose = False
        cones = [clarabel.ZeroConeT(1), clarabel.NonnegativeConeT(len(bounds) - 1)]
        solver = clarabel.DefaultSolver(square, price, self.rows, bounds, cones, settings)
        found = solver.solve()
        if str(found.status) not in ("Solved", "AlmostSolved"):
            return None
        return np.asarray(found.x, dtype=np.float64)[: self.size]


def least_traded(constraints: Constraints) -> tuple[Vector, float] | None:
    """Return the allowed weights that take the fewest trades, whatever the limit, and the sum of their changes."""
    free = constraints.without_turnover()
    size = len(free.low)
    found = Program(free, trades=True).minimise(np.zeros((size, size)), np.zeros(size), trade_price=1.0)
    return None if found is None else (found, float(np.abs(found - free.current).sum()))


def nearest(target: Vector, constraints: Constraints, metric: Matrix) -> Vector | None:
    """Return the allowed weights whose difference from the target has the least variance; None where there are none."""
    return Program(constraints).minimise(metric, -metric @ target)
