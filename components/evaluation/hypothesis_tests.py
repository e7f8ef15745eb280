"""Tests of forecast skill. Each returns an object with its null hypothesis, statistic, p-value and verdict."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TestResult:
    """Outcome of one test.

    Attributes
    ----------
    name, null : str
        The test and its null hypothesis.
    statistic, p_value : float or None
        None when the test cannot be computed; ``verdict`` then says why.
    rows : int
        Observations that entered.
    verdict : str
        One readable sentence.
    """

    __test__ = False  # not a pytest class

    name: str
    null: str
    statistic: float | None
    p_value: float | None
    rows: int
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def newey_west_variance(series: Vector, lags: int) -> float:
    """Return the long-run variance of a series' mean times its length, with Bartlett weights.

    Newey and West (1987), doi:10.2307/1913610.
    """
    centred = series - series.mean()
    variance = float(centred @ centred) / len(series)
    for lag in range(1, min(lags, len(series) - 1) + 1):
        variance += 2 * (1 - lag / (lags + 1)) * float(centred[lag:] @ centred[:-lag]) / len(series)
    return variance


def bandwidth(rows: int, steps: int) -> int:
    """Return the lags to allow for: the overlap of the forecasts, and the cube root of the length for what clusters."""
    return max(steps - 1, math.ceil(math.cbrt(rows)))


def diebold_mariano(loss: Vector, baseline_loss: Vector, steps: int = 1, alpha: float = 0.05) -> TestResult:
    """Test whether a forecast's expected loss is below its baseline's.

    Parameters
    ----------
    loss, baseline_loss : ndarray of shape (times,)
        Losses in time order, one per time (average over entities first: they move together).
    steps : int
        Forecast horizon in observations.
    alpha : float
        Significance level of the verdict.

    Notes
    -----
    One-sided. Diebold and Mariano (1995), doi:10.1080/07350015.1995.10524599, with Newey-West variance and the
    small-sample factor and t distribution of Harvey, Leybourne and Newbold (1997), doi:10.1016/S0169-2070(96)00719-4.
    """
    from scipy.stats import t

    null = "the forecast's expected loss is not below the baseline's"
    difference = np.asarray(loss - baseline_loss, dtype=np.float64)
    rows = len(difference)
    variance = newey_west_variance(difference, bandwidth(rows, steps)) if rows > 2 * steps else 0.0
    if variance <= 0:
        why = f"not defined on {rows} times: the losses do not differ, or too few do not overlap"
        return TestResult("Diebold-Mariano", null, None, None, rows, why)
    factor = math.sqrt(max(rows + 1 - 2 * steps + steps * (steps - 1) / rows, 1.0) / rows)
    statistic = float(difference.mean() / math.sqrt(variance / rows) * factor)
    p_value = float(t.cdf(statistic, rows - 1))
    how = "significantly" if p_value < alpha else "not significantly"
    verdict = f"loss is {how} below the baseline's (p = {p_value:.2g})"
    return TestResult("Diebold-Mariano", null, statistic, p_value, rows, verdict)


def pesaran_timmermann(
    rose: npt.NDArray[Any], called: npt.NDArray[Any], steps: int = 1, alpha: float = 0.05
) -> TestResult:
    """Test whether called directions and actual ones are related.

    Parameters
    ----------
    rose, called : ndarray of bool, shape (times,) or (times, entities)
        Actual and forecast direction in time order.
    steps : int
        Forecast horizon in observations.
    alpha : float
        Significance level of the verdict.

    Notes
    -----
    One-sided. Pesaran and Timmermann (1992), doi:10.1080/07350015.1992.10509922, in its form as the covariance of the
    two indicators, whose variance is Newey-West's over the mean across entities: overlapping horizons and entities
    that move together would make the textbook variance far too small (Pesaran and Timmermann 2009,
    doi:10.1198/jbes.2009.0003).
    """
    from scipy.stats import norm

    null = "called directions are independent of actual ones"
    x, y = (np.asarray(a, dtype=np.float64).reshape(len(a), -1) for a in (rose, called))
    product = np.nanmean((x - np.nanmean(x)) * (y - np.nanmean(y)), axis=1)
    rows = len(product)
    variance = newey_west_variance(product, bandwidth(rows, steps)) if rows > 2 * steps else 0.0
    if np.nanstd(y) == 0 or np.nanstd(x) == 0 or variance <= 0:
        share = float(np.nanmean(y))
        return TestResult(
            "Pesaran-Timmermann",
            null,
            None,
            None,
            rows,
            f"not defined: the called direction is up in {share:.0%} of cases",
        )
    statistic = float(product.mean() / math.sqrt(variance / rows))
    p_value = float(norm.sf(statistic))
    how = "significantly" if p_value < alpha else "not significantly"
    verdict = f"directions are {how} better called than by chance (p = {p_value:.2g})"
    return TestResult("Pesaran-Timmermann", null, statistic, p_value, rows, verdict)
