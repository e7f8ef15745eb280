"""Covariance that can be inverted: shrinkage, the nearest correlation matrix, and what makes a matrix singular.

The sample covariance of more securities than days has no inverse, and with fewer its smallest eigenvalues are mostly
noise, which is what an optimiser would bet on. Shrinking towards a simple target costs little bias and removes both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from components.errors import DataRejected

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]
SINGULAR = 1e-10
"""Smallest eigenvalue of a correlation matrix below which it counts as singular."""


@dataclass(frozen=True)
class Shrunk:
    """A shrunk covariance.

    Attributes
    ----------
    covariance : ndarray of shape (securities, securities)
        In the squared unit of the returns.
    intensity : float
        Weight of the target: 0 keeps the sample covariance, 1 replaces it.
    """

    covariance: Matrix
    intensity: float


@dataclass(frozen=True)
class Conditioning:
    """How far a covariance is from singular, judged on its correlations, so that units do not matter.

    Attributes
    ----------
    smallest_eigenvalue : float
        Of the correlation matrix, whose eigenvalues have the mean 1; 0 or less is singular.
    singular : bool
        Whether it is below :data:`SINGULAR`, or a security does not vary.
    constant : tuple of int
        Securities without any variance.
    """

    smallest_eigenvalue: float
    singular: bool
    constant: tuple[int, ...] = ()


def shrink(
    returns: npt.NDArray[Any], target: Literal["constant_correlation", "identity"] = "constant_correlation"
) -> Shrunk:
    """Estimate a covariance by linear shrinkage with the intensity that minimises the expected squared error.

    Parameters
    ----------
    returns : ndarray of shape (times, securities)
        Decimal, in any order of times.
    target : str
        ``constant_correlation`` keeps the variances and pulls correlations to their average: Ledoit and Wolf (2004),
        "Honey, I shrunk the sample covariance matrix", doi:10.3905/jpm.2004.110. ``identity`` pulls the variances
        together as well: Ledoit and Wolf (2004), doi:10.1016/S0047-259X(03)00096-4.

    Notes
    -----
    Both divide by the number of times. A single security keeps its variance.

    Raises
    ------
    DataRejected
        If there are fewer than two times, or a value is not finite.
    """
    x = _checked(returns)
    centred = x - x.mean(axis=0)
    sample = centred.T @ centred / len(x)
    if sample.shape[0] == 1:
        return Shrunk(sample, 0.0)
    squares = centred**2
    # Variance of each entry of the sample covariance, times the number of times.
    noise = squares.T @ squares / len(x) - sample**2
    if target == "identity":
        aim, shared = np.eye(len(sample)) * np.trace(sample) / len(sample), 0.0
    else:
        aim, shared = _constant_correlation(centred, sample, noise)
    misfit = float(((sample - aim) ** 2).sum())
    intensity = float(np.clip((noise.sum() - shared) / misfit / len(x), 0, 1)) if misfit > 0 else 0.0
    return Shrunk(intensity * aim + (1 - intensity) * sample, intensity)


def _constant_correlation(centred: Matrix, sample: Matrix, noise: Matrix) -> tuple[Matrix, float]:
    """Return the target, and how much of the sample's noise it shares (rho of the paper's appendix B)."""
    deviation = np.sqrt(np.diag(sample))
    scale = np.outer(deviation, deviation)
    correlation = np.divide(sample, scale, out=np.zeros_like(sample), where=scale > 0)
    size = len(sample)
    mean = float((correlation.sum() - np.trace(correlation)) / (size * (size - 1)))
    aim = mean * scale
    np.fill_diagonal(aim, np.diag(sample))
    # Asymptotic covariance of each variance with each covariance.
    cross = (centred**3).T @ centred / len(centred) - np.diag(sample)[:, None] * sample
    ratio = np.divide(deviation[None, :], deviation[:, None], out=np.zeros_like(sample), where=deviation[:, None] > 0)
    off = mean * ratio * cross
    np.fill_diagonal(off, 0)
    return aim, float(np.trace(noise) + off.sum())


def correlation_of(covariance: npt.NDArray[Any]) -> Matrix:
    """Return the correlations; 0 beside a security without variance, 1 on the diagonal."""
    deviation = np.sqrt(np.clip(np.diag(covariance), 0, None))
    scale = np.outer(deviation, deviation)
    out: Matrix = np.divide(covariance, scale, out=np.zeros_like(scale), where=scale > 0)
    np.fill_diagonal(out, 1.0)
    return out


def conditioning(covariance: npt.NDArray[Any]) -> Conditioning:
    """Tell whether a covariance is singular, and how close it is.

    Parameters
    ----------
    covariance : ndarray of shape (securities, securities)
        Symmetric.

    Examples
    --------
    >>> conditioning(np.array([[4.0, 4.0], [4.0, 4.0]])).singular
    True
    """
    smallest = float(np.linalg.eigvalsh(correlation_of(covariance))[0])
    constant = tuple(int(i) for i in np.flatnonzero(np.diag(covariance) <= 0))
    return Conditioning(smallest, bool(constant) or smallest < SINGULAR, constant)


def nearest_correlation(matrix: npt.NDArray[Any], floor: float = 1e-8, tolerance: float = 1e-9) -> Matrix:
    """Return the correlation matrix nearest to a symmetric one in the Frobenius norm.

    Parameters
    ----------
    matrix : ndarray of shape (securities, securities)
        What somebody believes the correlations are; need not be positive semidefinite.
    floor : float
        Smallest eigenvalue of the answer, so that it can be inverted.
    tolerance : float
        Relative change at which the iteration ends.

    Notes
    -----
    Alternating projections with Dykstra's correction: Higham (2002), doi:10.1093/imanum/22.3.329.

    Raises
    ------
    DataRejected
        If the matrix is not square and finite, or does not settle within 1,000 rounds.
    """
    given = np.asarray(matrix, dtype=np.float64)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or not np.isfinite(given).all():
        raise DataRejected(
            f"A correlation matrix of shape {given.shape} is not square, or has values that are not finite.",
            "Give one finite row and column per security.",
        )
    current = (given + given.T) / 2
    correction = np.zeros_like(current)
    for _ in range(1000):
        start = current - correction
        inside = _semidefinite(start, floor)
        correction = inside - start
        before, current = current, inside.copy()
        np.fill_diagonal(current, 1.0)
        if np.linalg.norm(current - before) <= tolerance * np.linalg.norm(current):
            # The last projection set the diagonal; one more scaling keeps it and restores the eigenvalues.
            return correlation_of(_semidefinite(current, floor))
    raise DataRejected(
        "The nearest correlation matrix was not found within 1,000 rounds.", "Check the matrix for mistakes."
    )


def _semidefinite(matrix: Matrix, floor: float) -> Matrix:
    values, vectors = np.linalg.eigh(matrix)
    made: Matrix = (vectors * np.maximum(values, floor)) @ vectors.T
    return made


def _checked(returns: npt.NDArray[Any]) -> Matrix:
    x = np.asarray(returns, dtype=np.float64)
    if x.ndim != 2 or len(x) < 2 or not np.isfinite(x).all():
        raise DataRejected(
            f"Returns of shape {x.shape} give no covariance.",
            "Give at least two times of finite returns, one column per security.",
        )
    return x
