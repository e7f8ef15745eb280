"""A test that may be looked at at any time: confidence sequences for a difference of means, and their p-values.

The users' contributions to the difference behave like a Brownian motion with drift in the long run. A mixture over
normal drifts (Robbins 1970) gives a boundary that it crosses with probability ``alpha`` over *all* times together, not
at one. Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central limit theory and asymptotic confidence
sequences", Annals of Statistics 52(6), 2024, arXiv:2103.06476, theorem 2.2 and section 3; the same boundary as the
mixture sequential probability ratio test of Johari, Koomen, Pekelis and Walsh (2022), doi:10.1287/opre.2021.2135.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.experiments.users import Sample, Vector

LEAST_USERS = 100
"""In each variant, before anything is said: the boundary holds in the limit, and this is where the limit begins."""


@dataclass(frozen=True)
class Difference:
    """Means of both variants and their difference.

    Attributes
    ----------
    control, treatment : float
        Means.
    effect : float
        Treatment minus control.
    variance : float
        Of the effect.
    users : tuple of int
        In control and treatment.
    """

    control: float
    treatment: float
    effect: float
    variance: float
    users: tuple[int, int]

    @property
    def total(self) -> int:
        """Users in both variants."""
        return sum(self.users)


def difference(sample: Sample) -> Difference | None:
    """Return the difference of means of independent users (Welch's variance); None while a variant has too few."""
    arms = [sample.value[sample.variant == arm] for arm in (0, 1)]
    if min(map(len, arms)) < 2:
        return None
    a, b = (float(arm.mean()) for arm in arms)
    variance = sum(float(arm.var(ddof=1)) / len(arm) for arm in arms)
    return Difference(a, b, b - a, variance, (len(arms[0]), len(arms[1])))


def best_rho(users: float, alpha: float) -> float:
    """Return the mixture's width at which the boundary is tightest after ``users`` users; it must not depend on data.

    Waudby-Smith et al. (2024), section B.2.
    """
    return math.sqrt((-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / users)


def boundary(users: float | Vector, alpha: float, rho: float) -> Vector:
    """Return the boundary in standard errors: beyond it at any time with probability ``alpha``, two-sided."""
    scaled = np.asarray(users, dtype=float) * rho**2
    out: Vector = np.sqrt(2 * (scaled + 1) / scaled * (0.5 * np.log(scaled + 1) - math.log(alpha)))
    return out


def log_e_value(z: float, users: float, rho: float) -> float:
    """Return the log of the mixture likelihood ratio: evidence against "no difference" that may be looked at any time.

    Parameters
    ----------
    z : float
        Difference in standard errors.
    users : float
        In both variants.
    """
    scaled = users * rho**2
    return z * z * scaled / (2 * (scaled + 1)) - 0.5 * math.log(scaled + 1)


@dataclass(frozen=True)
class SequentialTest:
    """Outcome of one look.

    Attributes
    ----------
    name, null : str
    control, treatment, effect : float or None
        None while there are too few users.
    interval : tuple of float, or None
        Confidence sequence of the effect at ``1 - alpha``: right at all looks together with that probability.
    statistic : float or None
        Effect in standard errors.
    p_value, e_value : float
        Always valid. The e-value is the evidence itself; ``p_value`` is its inverse.
    users : tuple of int
        In control and treatment.
    verdict : str
        One sentence.
    """

    name: str
    null: str
    control: float | None
    treatment: float | None
    effect: float | None
    interval: tuple[float, float] | None
    statistic: float | None
    p_value: float
    e_value: float
    users: tuple[int, int]
    alpha: float
    verdict: str

    @property
    def significant(self) -> bool:
        """Whether the interval excludes zero."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


NAME = "asymptotic confidence sequence (normal mixture)"
NULL = "both variants have the same mean"


def sequential_test(sample: Sample, *, planned: int, alpha: float = 0.05, least: int = LEAST_USERS) -> SequentialTest:
    """Test a difference of means; may be called again and again as users come.

    Parameters
    ----------
    sample : Sample
        One number per user.
    planned : int
        Users at which the sequence shall be tightest, known before the start (the experiment's sample size).
    alpha : float
        Error over all looks together, two-sided.
    least : int
        Users that each variant needs.
    """
    found = difference(sample)
    arms = (int((sample.variant == 0).sum()), int((sample.variant == 1).sum()))
    if found is None or min(arms) < least:
        why = f"Too few users ({arms[0]} and {arms[1]}); each variant needs {least}."
        return SequentialTest(NAME, NULL, None, None, None, None, None, 1.0, 1.0, arms, alpha, why)
    if found.variance <= 0:
        why = "Not defined: the metric does not vary."
        return SequentialTest(
            NAME, NULL, found.control, found.treatment, found.effect, None, None, 1.0, 1.0, arms, alpha, why
        )
    rho, error = best_rho(max(planned, 2 * least), alpha), math.sqrt(found.variance)
    half = float(boundary(found.total, alpha, rho)) * error
    interval = (found.effect - half, found.effect + half)
    z = found.effect / error
    log_e = log_e_value(z, found.total, rho)
    p_value = min(1.0, math.exp(min(0.0, -log_e)))
    told = f"the difference is {found.effect:.4g}, between {interval[0]:.4g} and {interval[1]:.4g}"
    verdict = f"{told} at every look with {100 * (1 - alpha):g} % confidence (p = {p_value:.2g})."
    e_value = math.exp(min(log_e, 700.0))
    return SequentialTest(
        NAME, NULL, found.control, found.treatment, found.effect, interval, z, p_value, e_value, arms, alpha, verdict
    )
