"""How many users and days an experiment needs: with one look at the end, and with looking all the time."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.experiments.sequential import best_rho, boundary

SMALLEST_EFFECT = 1e-5
"""In standard deviations: a smaller one takes more users than there are people."""


@dataclass(frozen=True)
class Plan:
    """What an experiment costs.

    Attributes
    ----------
    effect : float
        Absolute effect that shall be found.
    variance : float
        Of one user's number, after CUPED.
    fixed_users, sequential_users : int
        Users in both variants for the wanted power: with one look at the end, and with the always-valid test by its
        end at the latest.
    expected_users : int
        Where the always-valid test stops on average if the effect is really there.
    control_users, treatment_users : int
        Of ``sequential_users``.
    fixed_days, sequential_days, expected_days : float or None
        None without daily users.
    inflation : float
        ``sequential_users / fixed_users``: the price of looking at any time, at worst.
    saved_by_cuped : float
        Share of the users that CUPED saves, decimal.
    advice : str
        One sentence.
    """

    effect: float
    variance: float
    fixed_users: int
    sequential_users: int
    expected_users: int
    control_users: int
    treatment_users: int
    fixed_days: float | None
    sequential_days: float | None
    expected_days: float | None
    inflation: float
    saved_by_cuped: float
    advice: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def plan(
    *,
    effect: float,
    baseline: float | None = None,
    standard_deviation: float | None = None,
    treatment_share: float = 0.5,
    alpha: float = 0.05,
    power: float = 0.8,
    correlation: float = 0.0,
    daily_users: float | None = None,
    traffic_share: float = 1.0,
) -> Plan:
    """Plan a two-sided comparison of means.

    Parameters
    ----------
    effect : float
        Least absolute effect worth finding.
    baseline : float or None
        The control's proportion, decimal, for a rate; its variance follows.
    standard_deviation : float or None
        Of one user's number, for everything else.
    treatment_share : float
        Share of the experiment's users that get the treatment, decimal.
    correlation : float
        Between a user's number and its past; CUPED takes ``correlation**2`` of the variance away.
    daily_users : float or None
        New users a day, before ``traffic_share``.

    Raises
    ------
    ValueError
        If a number is out of its range, or the effect is below ``SMALLEST_EFFECT``; the message names it.
    """
    from scipy.stats import norm

    a_day = daily_users * traffic_share if daily_users is not None else None
    _check(effect, treatment_share, alpha, power, correlation, standard_deviation, a_day)
    raw = _variances(effect, baseline, standard_deviation)
    kept = 1 - correlation**2
    spread = kept * (raw[0] / (1 - treatment_share) + raw[1] / treatment_share)
    beta = float(norm.ppf(power))
    per_user = _standardised(spread, effect)
    fixed = max(1, math.ceil(per_user * (float(norm.isf(alpha / 2)) + beta) ** 2))
    # With rho tuned to the planned size, the boundary there is the same number of standard errors for every size.
    edge = float(boundary(1.0, alpha, best_rho(1.0, alpha)))
    sequential = max(fixed, math.ceil(per_user * (edge + beta) ** 2))
    expected = math.ceil(sequential * expected_share((edge + beta), alpha))
    days = [None if a_day is None else round(n / a_day, 2) for n in (fixed, sequential, expected)]
    treatment = round(sequential * treatment_share)
    advice = (
        f"Plan for {sequential} users"
        + (f", {math.ceil(days[1])} days" if days[1] is not None else "")
        + f"; expect to stop after about {expected} if the effect is there. One look at the end would need {fixed}."
    )
    return Plan(
        effect=effect,
        variance=kept * float(np.mean(raw)),
        fixed_users=fixed,
        sequential_users=sequential,
        expected_users=expected,
        control_users=sequential - treatment,
        treatment_users=treatment,
        fixed_days=days[0],
        sequential_days=days[1],
        expected_days=days[2],
        inflation=sequential / fixed,
        saved_by_cuped=correlation**2,
        advice=advice,
    )


def expected_share(drift: float, alpha: float, paths: int = 2000, looks: int = 400, seed: int = 20251113) -> float:
    """Return the mean share of the planned users at which a Brownian motion first crosses the boundary.

    Parameters
    ----------
    drift : float
        Expected difference at the planned size, in standard errors.
    """
    rng = np.random.default_rng(seed)
    time = np.arange(1, looks + 1) / looks
    walk = np.cumsum(rng.normal(drift / looks, math.sqrt(1 / looks), (paths, looks)), axis=1)
    crossed = np.abs(walk) / np.sqrt(time) >= boundary(time, alpha, best_rho(1.0, alpha))
    first = np.where(crossed.any(axis=1), crossed.argmax(axis=1), looks - 1)
    return float(time[first].mean())


def _standardised(spread: float, effect: float) -> float:
    """Return the users with which the difference's standard error is the effect.

    Raises
    ------
    ValueError
        If nobody has so many users.
    """
    deviation = math.sqrt(spread)
    if abs(effect) < SMALLEST_EFFECT * deviation:
        raise ValueError(f"the effect {effect!r} is too small to be found beside a deviation of {deviation!r}")
    return (deviation / abs(effect)) ** 2


def _variances(effect: float, baseline: float | None, deviation: float | None) -> tuple[float, float]:
    if deviation is not None and baseline is None:
        return deviation**2, deviation**2
    if baseline is None or deviation is not None:
        raise ValueError("give either the baseline of a rate or the standard deviation of a number")
    if not (0 < baseline < 1 and 0 < baseline + effect < 1):
        raise ValueError(
            f"the baseline {baseline!r} and baseline + effect {baseline + effect!r} must be between 0 and 1"
        )
    return baseline * (1 - baseline), (baseline + effect) * (1 - baseline - effect)


def _check(
    effect: float,
    share: float,
    alpha: float,
    power: float,
    correlation: float,
    deviation: float | None,
    a_day: float | None,
) -> None:
    wrong = [
        ("effect", effect, 1e-100 <= abs(effect) <= 1e100),
        ("treatment share", share, 0.001 <= share <= 0.999),
        ("alpha", alpha, 1e-9 <= alpha < 0.5),
        ("power", power, 0.5 <= power <= 1 - 1e-9),
        ("correlation", correlation, abs(correlation) <= 1 - 1e-9),
        ("standard deviation", deviation, deviation is None or 1e-100 <= deviation <= 1e100),
        ("number of users a day", a_day, a_day is None or 1e-6 <= a_day <= 1e12),
    ]
    for name, value, fine in wrong:
        if not fine:
            raise ValueError(f"the {name} is {value!r}, which is out of its range")
