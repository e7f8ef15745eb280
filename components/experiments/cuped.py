"""CUPED: take out of a metric what the users' past explains. Deng, Xu, Kohavi and Walker (2013),
doi:10.1145/2433396.2433413.

The past is known before the experiment begins, so that it cannot depend on the variant: subtracting ``theta`` times its
deviation from the common mean leaves the difference of means unbiased and shrinks its variance by ``1 - rho^2``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np

from components.experiments.users import Sample, Vector

LEAST_KNOWN = 50
"""Fewer users with a past than this tell too little to estimate theta."""


@dataclass(frozen=True)
class Adjustment:
    """What CUPED did.

    Attributes
    ----------
    applied : bool
    theta : float
        Slope of the metric on its past; 0 where it was not applied.
    known_share : float
        Share of the users with a past, decimal.
    variance_reduction : float
        Share of the within-variant variance that went away, decimal.
    why : str
        One sentence.
    """

    applied: bool
    theta: float
    known_share: float
    variance_reduction: float
    why: str

    def to_dict(self) -> dict[str, object]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def adjust(sample: Sample) -> tuple[Sample, Adjustment]:
    """Return the sample with adjusted values, and what was done.

    ``theta`` is pooled: it is fitted on deviations from each variant's own mean, so that the effect cannot leak into
    it. Users without a past get the common mean for it, and a column that says so, so that newcomers may differ.
    """
    known = np.isfinite(sample.covariate)
    share = float(known.mean()) if len(known) else 0.0
    if known.sum() < LEAST_KNOWN:
        return sample, Adjustment(False, 0.0, share, 0.0, _few(int(known.sum())))
    filled = np.where(known, sample.covariate, sample.covariate[known].mean())
    if np.ptp(filled) == 0:
        return sample, Adjustment(False, 0.0, share, 0.0, "Not adjusted: the users' past does not vary.")
    columns = [filled] + ([(~known).astype(float)] if not known.all() else [])
    past = np.column_stack(columns)
    within, target = _within(past, sample.variant), _within(sample.value[:, None], sample.variant)[:, 0]
    theta = np.linalg.lstsq(within, target, rcond=None)[0]
    value = sample.value - (past - past.mean(axis=0)) @ theta
    before, after = float(target @ target), float(np.square(target - within @ theta).sum())
    reduction = 1 - after / before if before > 0 else 0.0
    why = (
        f"Adjusted by the past of {100 * share:.0f} % of the users: {100 * reduction:.0f} % of the variance is gone, "
        f"as if there were {1 / max(1e-9, 1 - reduction):.2f} times as many users."
    )
    adjusted = Sample(value, sample.variant, sample.covariate, sample.member, sample.rows)
    return adjusted, Adjustment(True, float(theta[0]), share, reduction, why)


def _within(columns: Vector, variant: np.ndarray) -> Vector:  # type: ignore[type-arg]
    out = columns.astype(float).copy()
    for arm in np.unique(variant):
        out[variant == arm] -= out[variant == arm].mean(axis=0)
    return out


def _few(users: int) -> str:
    if not users:
        return "Not adjusted: no user's past is known. Send pre_period with the observations."
    return f"Not adjusted: the past of only {users} users is known, and {LEAST_KNOWN} are needed."
