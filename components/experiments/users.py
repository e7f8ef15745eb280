"""The unit of analysis is the user: observations are added up per user before anything is compared.

Users are randomised, requests are not; the requests of one user resemble each other, and a test that takes them for
independent finds differences where there are none. Deng, Knoblich and Lu (2018), arXiv:1803.06336.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Labels = npt.NDArray[np.str_]


@dataclass(frozen=True)
class Users:
    """Who is in the experiment.

    Attributes
    ----------
    variant : ndarray of int, shape (users,)
        0 control, 1 treatment.
    entered : ndarray of shape (users,)
        First exposure, seconds since the epoch.
    segments : mapping of str to ndarray of str, shape (users,)
        By dimension, for example ``tier``; an empty text is unknown.
    """

    variant: Index
    entered: Vector
    segments: Mapping[str, Labels] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.variant)


@dataclass(frozen=True)
class Observations:
    """What was measured of one metric, a row per report.

    Attributes
    ----------
    user : ndarray of int, shape (rows,)
        Place in :class:`Users`.
    value, count : ndarray of shape (rows,)
        Numerator and denominator: clicks and impressions, or a number and 1.
    at : ndarray of shape (rows,)
        When, seconds since the epoch.
    covariate : ndarray of shape (users,)
        The same metric of the user before the experiment; NaN where unknown.
    """

    user: Index
    value: Vector
    count: Vector
    at: Vector
    covariate: Vector


@dataclass(frozen=True)
class Sample:
    """One number per user, and who the users are.

    Attributes
    ----------
    value : ndarray of shape (users,)
        Its mean over a variant's users is the metric there.
    variant : ndarray of int, shape (users,)
    covariate : ndarray of shape (users,)
        NaN where unknown.
    member : ndarray of int, shape (users,)
        Places in :class:`Users`.
    rows : int
        Observations that went in.
    """

    value: Vector
    variant: Index
    covariate: Vector
    member: Index
    rows: int

    def take(self, keep: npt.NDArray[np.bool_]) -> Sample:
        """Return the users where ``keep`` is true."""
        return Sample(self.value[keep], self.variant[keep], self.covariate[keep], self.member[keep], int(keep.sum()))


def per_user(users: Users, seen: Observations, kind: str = "ratio", until: float = np.inf) -> Sample:
    """Add observations up per user.

    Parameters
    ----------
    kind : str
        ``ratio``: sum of values over sum of counts, each observation weighs the same; the delta method turns it into
        one number per user (linearisation, Deng et al. 2018, section 2). ``user_mean``: the mean of the users' own
        ratios, each user weighs the same. ``total``: the sum per user; a user without an observation counts 0.
    until : float
        Only what was known by then.
    """
    known = seen.at <= until
    place = seen.user[known]
    size = len(users)
    value: Vector = np.bincount(place, seen.value[known], size).astype(np.float64)
    count: Vector = np.bincount(place, seen.count[known], size).astype(np.float64)
    keep = users.entered <= until if kind == "total" else count > 0
    variant = users.variant[keep]
    value, count, rows = value[keep], count[keep], int(known.sum())
    if kind == "user_mean":
        value = value / count
    elif kind == "ratio":
        value = linearised(value, count, variant)
    return Sample(value, variant, seen.covariate[keep], np.flatnonzero(keep), rows)


def linearised(value: Vector, count: Vector, variant: Index) -> Vector:
    """Return numbers whose mean per variant is the ratio of sums, and whose variance is the delta method's.

    With ``R`` the variant's ratio and ``m`` its mean count: ``R + (value - R * count) / m``.
    """
    out = np.empty(len(value))
    for arm in np.unique(variant):
        own = variant == arm
        ratio, mean = value[own].sum() / count[own].sum(), count[own].mean()
        out[own] = ratio + (value[own] - ratio * count[own]) / mean
    return out
