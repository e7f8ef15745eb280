"""Sample ratio mismatch: do the variants hold as many users as they should?

A mismatch means that users went missing for a reason that depends on the variant (a treatment that crashes loses its
unhappiest users), and then no difference of means can be trusted. Fabijan et al. (2019), doi:10.1145/3292500.3330722.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

THRESHOLD = 0.001
CONCENTRATIONS = (100.0, 1_000.0, 10_000.0)
"""Weights of the prior in users. Lindon and Malek take 10,000, which finds a loss of one percent among many users, but
is slow to see a loss of a quarter among few; the mean of Bayes factors is one too, and is quick for both."""


@dataclass(frozen=True)
class RatioCheck:
    """Outcome of both tests.

    Attributes
    ----------
    null : str
        The hypothesis.
    observed, expected : tuple of float
        Users in each variant, and how many there should be.
    chi_squared, fixed_p_value : float or None
        Pearson's test; valid for one look at the end. None without users.
    p_value : float
        Always valid: it may be looked at after every user.
    mismatch : bool
        Whether it is below the threshold.
    verdict : str
        One sentence.
    """

    null: str
    observed: tuple[int, ...]
    expected: tuple[float, ...]
    chi_squared: float | None
    fixed_p_value: float | None
    p_value: float
    threshold: float
    mismatch: bool
    verdict: str

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def log_bayes_factor(
    counts: Sequence[int], split: Sequence[float], concentrations: Sequence[float] = CONCENTRATIONS
) -> float:
    """Return the log of the Bayes factor against the split: Dirichlet-multinomial over multinomial.

    Its expectation under the split is 1 at every stopping time, so its inverse is an always-valid p-value (Ville).
    Lindon and Malek (2022), "Anytime-valid inference for multinomial count data", arXiv:2011.03567.

    Parameters
    ----------
    counts : sequence of int, shape (variants,)
        Users.
    split : sequence of float, shape (variants,)
        Shares that should hold, all positive, adding up to 1.
    concentrations : sequence of float
        Of the Dirichlet priors, which are mixed in equal parts.
    """
    parts = [_log_bayes_factor(counts, split, concentration) for concentration in concentrations]
    top = max(parts)
    return top + math.log(sum(math.exp(part - top) for part in parts) / len(parts))


def _log_bayes_factor(counts: Sequence[int], split: Sequence[float], concentration: float) -> float:
    total = sum(counts)
    value = math.lgamma(concentration) - math.lgamma(concentration + total)
    for count, share in zip(counts, split, strict=True):
        prior = concentration * share
        value += math.lgamma(prior + count) - math.lgamma(prior) - count * math.log(share)
    return value


def sequential_p_value(path: Sequence[Sequence[int]], split: Sequence[float]) -> float:
    """Return the always-valid p-value after several looks: the smallest so far."""
    largest = max((log_bayes_factor(counts, split) for counts in path), default=0.0)
    return min(1.0, math.exp(-max(0.0, largest)))


def check_ratio(
    counts: Sequence[int],
    split: Sequence[float],
    path: Sequence[Sequence[int]] = (),
    *,
    threshold: float = THRESHOLD,
) -> RatioCheck:
    """Check the users of the variants against the split.

    Parameters
    ----------
    counts : sequence of int, shape (variants,)
        Users now.
    split : sequence of float, shape (variants,)
        Shares that should hold; they add up to 1.
    path : sequence of such counts
        Earlier looks.
    threshold : float
        Below this p-value it is a mismatch.
    """
    from scipy.stats import chisquare

    null = "users fall into the variants as the traffic split says"
    total = sum(counts)
    expected = tuple(share * total for share in split)
    if not total:
        return RatioCheck(null, tuple(counts), expected, None, None, 1.0, threshold, False, "No user so far.")
    test = chisquare(counts, expected)
    p_value = sequential_p_value([*path, counts], split)
    mismatch = p_value < threshold
    shares = " to ".join(f"{100 * c / total:.2f}" for c in counts)
    wanted = " to ".join(f"{100 * s:g}" for s in split)
    verdict = (
        f"Users are split {shares} instead of {wanted} (p = {p_value:.2g}): somebody is missing, and the comparison "
        "cannot be trusted until it is known who and why."
        if mismatch
        else f"Users are split {shares}, which {wanted} explains (p = {p_value:.2g})."
    )
    statistic, fixed = float(test.statistic), float(test.pvalue)
    return RatioCheck(null, tuple(counts), expected, statistic, fixed, p_value, threshold, mismatch, verdict)
