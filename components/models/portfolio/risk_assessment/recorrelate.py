"""Residual rows under a correlation matrix of the user's: tails and days stay, how holdings move together changes."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.errors import InvalidRequest

Array = npt.NDArray[Any]
PATH: Final = "correlation"
TOLERANCE: Final = 1e-6
SMALLEST_EIGENVALUE: Final = 1e-8


def recorrelated(residuals: Array, wanted: Array) -> Array:
    """Return residual rows whose correlation is the wanted one.

    The rows are whitened by the Cholesky factor of their own correlation and coloured by the wanted one's. Each
    column's variance is kept.

    Parameters
    ----------
    residuals : ndarray of shape (rows, holdings)
        Of mean 0.
    wanted : ndarray of shape (holdings, holdings)

    Raises
    ------
    InvalidRequest
        If the matrix is no correlation matrix, or not positive definite; or if the holdings' own correlation is not,
        which is so when one security is listed twice.
    """
    check_correlation(wanted)
    spread = residuals.std(axis=0)
    own = np.corrcoef(residuals, rowvar=False).reshape(wanted.shape)
    try:
        factor = np.linalg.cholesky(own)
    except np.linalg.LinAlgError as error:
        raise InvalidRequest(
            "the holdings' own correlation is singular, so that it cannot be exchanged",
            "List every security once, or leave the matrix out.",
            path=PATH,
        ) from error
    white = np.linalg.solve(factor, (residuals / spread).T)
    coloured: Array = (np.linalg.cholesky(wanted) @ white).T * spread
    return coloured


def check_correlation(matrix: Array) -> None:
    """Refuse what is no positive definite correlation matrix, saying what is wrong and what would mend it."""
    diagonal = np.abs(np.diag(matrix) - 1)
    if diagonal.max() > TOLERANCE:
        k = int(diagonal.argmax())
        raise InvalidRequest(
            f"the diagonal is {matrix[k, k]:.6g} at {k}, not 1", "Send correlations, not covariances.", path=PATH
        )
    outside = np.abs(matrix) > 1 + TOLERANCE
    if outside.any():
        i, j = np.argwhere(outside)[0]
        raise InvalidRequest(
            f"the value at [{i}][{j}] is {matrix[i, j]:.6g}, no correlation", "Send values from -1 to 1.", path=PATH
        )
    skew = np.abs(matrix - matrix.T)
    if skew.max() > TOLERANCE:
        i, j = np.unravel_index(int(skew.argmax()), skew.shape)
        raise InvalidRequest(
            f"the matrix is not symmetric: {matrix[i, j]:.6g} at [{i}][{j}], {matrix[j, i]:.6g} at [{j}][{i}]",
            "Send one value for each pair.",
            path=PATH,
        )
    smallest = float(np.linalg.eigvalsh(matrix)[0])
    if smallest < SMALLEST_EIGENVALUE:
        # (1 - d) C + d I has the smallest eigenvalue (1 - d) s + d; told rounded up, so that it mends when followed.
        shrink = math.ceil(1000 * (1e-4 - smallest) / (1 - smallest)) / 1000
        kind = "singular" if smallest > -SMALLEST_EIGENVALUE else "indefinite"
        raise InvalidRequest(
            f"the matrix is {kind}: its smallest eigenvalue is {smallest:.3g}",
            f"Shrink it towards the identity, (1 - d) C + d I with d at least {shrink:g}, or leave it out.",
            path=PATH,
        )
