"""Regressors of the log-HAR model and of the trees that correct it: logs of variances over several lengths."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from components.models.contract import FloatArray
from components.models.markets.volatility.inputs import INDEX, Prepared

HAR: Final = (
    "day",
    "week",
    "month",
    "quarter",
    "fall_day",
    "fall_week",
    "ewma",
    "vix",
    "fade",
)
"""Columns of :func:`har_design`."""

LENGTHS: Final = {"day": 1, "week": 5, "month": 22, "quarter": 59}
"""Days of the means of daily variance."""

FADE: Final = 0.7
"""Decay per day of the exponentially weighted variance: between the day and the week (Bollerslev et al. 2018,
doi:10.1093/rfs/hhy041, call a HAR model of such means HExp)."""

STILLEST: Final = 0.01
"""A day's variance counts as no less than this share of the month's: the log of a day without trade says little."""

RECENT: Final = 10
"""Single days that the trees see."""

FEATURES: Final = ("vix_change", "breadth", "dispersion", "momentum_5", "momentum_21", "rsi_14", "volume_ratio")


def har_design(x: Prepared) -> FloatArray:
    """Return the regressors, shape (rows, len(HAR)).

    Logs of mean variance over a day, a week, a month and a quarter (Corsi 2009, doi:10.1093/jjfinec/nbp001); falls of
    the last day and week in units of monthly volatility (leverage: Corsi and Reno 2012,
    doi:10.1080/07350015.2012.663261); logs of the RiskMetrics variance, of the squared VIX per day, and of an
    exponentially weighted variance of a few days.
    """
    means = [x.variances[:, -days:].mean(axis=1) for days in LENGTHS.values()]
    means[0] = np.maximum(means[0], STILLEST * means[2])
    month = np.sqrt(means[2])
    falls = [np.minimum(x.returns[:, -days:].sum(axis=1), 0.0) / (month * np.sqrt(days)) for days in (1, 5)]
    return np.stack(
        [
            *(np.log(mean) for mean in means),
            *(np.maximum(fall, -6.0) for fall in falls),
            np.log(x.daily("volatility_ewma")),
            np.log(x.daily("vix")),
            np.log(_faded(x.variances)),
        ],
        axis=1,
    )


def tree_design(x: Prepared) -> npt.NDArray[np.float32]:
    """Return what the trees split on, shape (rows, columns), single precision; free of the variance's own level.

    The HAR logs and single days against the month, the falls, the share of nights, the kurtosis, and features.
    """
    har = har_design(x)
    month = har[:, 2:3]
    relative = har[:, [0, 1, 3, 6, 7, 8]] - month
    days = np.maximum(np.log(x.variances[:, -RECENT:]) - month, np.log(STILLEST))
    nights = (x.gaps[:, -22:] ** 2).mean(axis=1) / np.exp(month[:, 0])
    scale = np.exp(0.5 * month)
    shape = np.stack(
        [
            nights,
            np.log(x.daily("garman_klass_21") / x.daily("volatility_21")),
            (x.returns[:, -22:] ** 4).mean(axis=1) / (x.returns[:, -22:] ** 2).mean(axis=1).clip(1e-10) ** 2,
        ],
        axis=1,
    )
    returns = x.returns[:, -5:] / scale
    features = x.features[:, [INDEX[name] for name in FEATURES]]
    return np.concatenate([relative, har[:, 4:6], days, shape, returns, features], axis=1).astype(np.float32)


def _faded(variances: FloatArray) -> FloatArray:
    weights = FADE ** np.arange(variances.shape[1])[::-1]
    # einsum sums every row alone, so that a batch's answer equals its rows' answers; BLAS does not.
    mean: FloatArray = np.einsum("ij,j->i", variances, weights / weights.sum())
    return mean
