"""GARCH(1,1) and GJR-GARCH(1,1) with Student-t shocks: fitted by ``arch``, filtered and forecast with numpy alone.

The variance of a return is ``omega + (alpha + gamma [e < 0]) e^2 + beta s``, where ``e`` is the return of the period
before less ``mu`` and ``s`` was its variance. Bollerslev (1986), doi:10.1016/0304-4076(86)90063-1; Glosten,
Jagannathan and Runkle (1993), doi:10.1111/j.1540-6261.1993.tb05128.x.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from components.errors import DataRejected

FloatArray = npt.NDArray[np.float64]

LEAST_RETURNS = 250
"""Returns below which five or six parameters are not worth estimating: a year of days."""


@dataclass(frozen=True)
class GarchParams:
    """Parameters of a GJR-GARCH(1,1) with Student-t shocks, in decimal returns; plain GARCH has ``gamma`` 0.

    Attributes
    ----------
    mu : float
        Mean return per period, decimal.
    omega : float
        Constant of the variance, decimal squared.
    alpha, gamma, beta : float
        Weight of the last squared shock, what a fall adds to it, and weight of the last variance.
    nu : float
        Degrees of freedom of the standardised shocks, above 2.
    """

    mu: float
    omega: float
    alpha: float
    gamma: float
    beta: float
    nu: float

    @property
    def persistence(self) -> float:
        """Share of a deviation of the variance that is left after one period, for symmetric shocks."""
        return self.alpha + 0.5 * self.gamma + self.beta

    @property
    def unconditional(self) -> float:
        """Long-run variance, decimal squared; infinite where the process is not stationary."""
        return self.omega / (1 - self.persistence) if self.persistence < 1 else float("inf")

    def to_dict(self) -> dict[str, float]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(**{name: float(value) for name, value in raw.items()})


def fit_garch(returns: npt.ArrayLike, asymmetric: bool) -> GarchParams:
    """Estimate the parameters by maximum likelihood.

    Parameters
    ----------
    returns : array of shape (times,)
        Returns in time order, decimal.
    asymmetric : bool
        Whether falls may weigh more than rises (GJR).

    Raises
    ------
    DataRejected
        If there are too few returns, if they are not finite or do not vary, or if the likelihood does not converge.

    Notes
    -----
    ``arch`` sees returns of unit standard deviation: its optimiser is made for numbers of that size, and parameters of
    percent or basis points follow by scaling.
    """
    series = _checked(returns)
    scale = float(series.std())
    name = "GJR-GARCH" if asymmetric else "GARCH"
    try:
        values = _maximum_likelihood(series / scale, asymmetric)
    except (ValueError, np.linalg.LinAlgError) as error:
        raise _not_fitted(name, len(series), str(error)) from error
    if values is None:
        raise _not_fitted(name, len(series), "the likelihood did not converge")
    return GarchParams(
        mu=values["mu"] * scale,
        omega=values["omega"] * scale**2,
        alpha=values["alpha[1]"],
        gamma=values.get("gamma[1]", 0.0),
        beta=values["beta[1]"],
        nu=values["nu"],
    )


def filter_variances(params: GarchParams, returns: npt.ArrayLike, start: npt.ArrayLike | None = None) -> FloatArray:
    """Return the variance of each return as it was known the period before, and of the next one.

    Parameters
    ----------
    params : GarchParams
    returns : array of shape (times,) or (times, columns)
        Returns in time order, decimal; columns are filtered alone.
    start : float or array of shape (columns,), optional
        Variance of the first return. By default the long-run variance, or where there is none the mean squared shock.

    Returns
    -------
    ndarray of shape (times + 1,) or (times + 1, columns)
        Decimal squared; the last one belongs to the period after the last return.
    """
    shocks = np.asarray(returns, dtype=np.float64) - params.mu
    squared = shocks**2
    news = params.omega + (params.alpha + params.gamma * (shocks < 0)) * squared
    variances = np.empty((len(shocks) + 1, *shocks.shape[1:]))
    variances[0] = _start(params, squared) if start is None else start
    for t in range(len(shocks)):
        variances[t + 1] = news[t] + params.beta * variances[t]
    return variances


def forecast_variance(params: GarchParams, next_variance: npt.ArrayLike, horizon: int) -> FloatArray:
    """Return the expected variance of each of the next periods.

    Parameters
    ----------
    params : GarchParams
    next_variance : float or array of shape (rows,)
        Variance of the next period, the last one of :func:`filter_variances`.
    horizon : int
        Periods.

    Returns
    -------
    ndarray of shape (horizon,) or (rows, horizon)
        Decimal squared; the sum is the variance of the return over the whole horizon, for uncorrelated returns.
    """
    if horizon < 1:
        raise ValueError(f"a horizon of {horizon} periods has no variance; use 1 or more")
    ahead = np.asarray(next_variance, dtype=np.float64)
    variances = np.empty((*ahead.shape, horizon))
    for step in range(horizon):
        variances[..., step] = ahead
        ahead = params.omega + params.persistence * ahead
    return variances


def _start(params: GarchParams, squared: FloatArray) -> Any:
    if np.isfinite(params.unconditional) or not len(squared):
        return params.unconditional
    return squared.mean(axis=0)


def _checked(returns: npt.ArrayLike) -> FloatArray:
    series = np.asarray(returns, dtype=np.float64)
    if series.ndim != 1 or len(series) < LEAST_RETURNS:
        raise DataRejected(
            f"Returns of shape {series.shape} are too few to fit a GARCH model.",
            f"Give one series of at least {LEAST_RETURNS} returns.",
        )
    if not np.isfinite(series).all():
        first = int(np.argmin(np.isfinite(series)))
        raise DataRejected(f"Return {first} of {len(series)} is {series[first]}.", "Drop or repair it before fitting.")
    if series.std() <= 1e-12 * max(1.0, abs(float(series.mean()))):
        raise DataRejected(
            f"The {len(series)} returns do not vary (all near {series[0]:g}).", "Give returns of a traded price."
        )
    return series


def _not_fitted(name: str, rows: int, why: str) -> DataRejected:
    return DataRejected(
        f"{name} could not be fitted to {rows} returns: {why}.",
        "Check the returns for gaps, stale prices and unadjusted splits, or give a longer history.",
    )


def _maximum_likelihood(series: FloatArray, asymmetric: bool) -> dict[str, float] | None:
    """Return arch's estimates by name, or None when its optimiser does not converge."""
    from arch import arch_model

    model = arch_model(series, mean="Constant", vol="GARCH", p=1, o=int(asymmetric), q=1, dist="t", rescale=False)
    result = model.fit(disp="off", show_warning=False, options={"maxiter": 1000})
    if result.convergence_flag:
        # SLSQP now and then stops at a flat ridge; from where it stopped it usually finds the way.
        result = model.fit(
            disp="off", show_warning=False, starting_values=result.params.to_numpy(), options={"maxiter": 1000}
        )
    values = {str(name): float(value) for name, value in result.params.items()}
    converged = not result.convergence_flag and all(np.isfinite(v) for v in values.values())
    return values if converged else None
