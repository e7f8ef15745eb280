"""Tests of value at risk and expected shortfall against what happened.

Returns and risk figures are signed alike: a loss is negative, so a day is an *exceedance* when its return lies below
its value at risk. Each test returns a :class:`~components.evaluation.hypothesis_tests.TestResult`.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.errors import DataRejected
from components.evaluation.hypothesis_tests import TestResult

Vector = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

GREEN, YELLOW, RED = "green", "yellow", "red"
_YELLOW_FROM: Final = 0.95
_RED_FROM: Final = 0.9999


def exceedances(returns: npt.ArrayLike, value_at_risk: npt.ArrayLike) -> Flags:
    """Return which returns lie below their value at risk.

    Raises
    ------
    DataRejected
        If the two differ in shape or hold values that are not finite.
    """
    r, v = np.asarray(returns, np.float64), np.asarray(value_at_risk, np.float64)
    if r.shape != v.shape or r.ndim != 1 or not (np.isfinite(r).all() and np.isfinite(v).all()):
        raise DataRejected(
            f"Returns of shape {r.shape} and values at risk of shape {v.shape} cannot be compared.",
            "Give one finite value at risk for each finite return, in time order.",
        )
    hits: Flags = r < v
    return hits


def tick_loss(returns: npt.ArrayLike, value_at_risk: npt.ArrayLike, level: float) -> Vector:
    """Return the quantile loss of every row, which the true quantile at ``level`` minimises in expectation.

    Koenker and Bassett (1978), doi:10.2307/1913643.

    Parameters
    ----------
    returns, value_at_risk : array of shape (rows,)
        In one unit.
    level : float
        Probability of a return below, decimal: 0.01 for the 99 % value at risk.
    """
    r, v = np.asarray(returns, np.float64), np.asarray(value_at_risk, np.float64)
    loss: Vector = (level - (r < v)) * (r - v)
    return loss


def kupiec(hits: npt.ArrayLike, level: float, alpha: float = 0.05) -> TestResult:
    """Test whether exceedances are as frequent as promised (proportion of failures).

    Parameters
    ----------
    hits : array of bool, shape (days,)
        From :func:`exceedances`.
    level : float
        Promised share, decimal.
    alpha : float
        Significance level of the verdict.

    Notes
    -----
    Likelihood ratio, chi-squared with one degree of freedom. Kupiec (1995), doi:10.3905/jod.1995.407942.
    """
    null = f"exceedances have probability {level:g}"
    h = _flags(hits)
    if not len(h):
        return TestResult("Kupiec", null, None, None, 0, "not defined without observations")
    count = int(h.sum())
    statistic = 2 * (_bernoulli(count, len(h), count / len(h)) - _bernoulli(count, len(h), level))
    p_value = _chi_squared(statistic, 1)
    how = "differ significantly" if p_value < alpha else "do not differ significantly"
    verdict = (
        f"{count} exceedances in {len(h)} ({count / len(h):.2%}) {how} from {level * len(h):.1f} (p = {p_value:.2g})"
    )
    return TestResult("Kupiec", null, statistic, p_value, len(h), verdict)


def christoffersen_independence(hits: npt.ArrayLike, alpha: float = 0.05) -> TestResult:
    """Test whether an exceedance makes one on the next day more (or less) likely.

    Notes
    -----
    Likelihood ratio of a first-order Markov chain against independence, chi-squared with one degree of freedom.
    Christoffersen (1998), doi:10.2307/2527341.
    """
    null = "exceedances are independent of those of the time before"
    h = _flags(hits)
    (stay, enter), (leave, repeat) = _transitions(h)
    if not h[:-1].any() or not h[1:].any():
        why = f"not defined: {int(h.sum())} exceedances in {len(h)} show no succession"
        return TestResult("Christoffersen independence", null, None, None, len(h), why)
    statistic = 2 * (
        _bernoulli(enter, stay + enter)
        + _bernoulli(repeat, leave + repeat)
        - _bernoulli(enter + repeat, stay + enter + leave + repeat)
    )
    p_value = _chi_squared(statistic, 1)
    how = "depend significantly on" if p_value < alpha else "do not depend significantly on"
    verdict = (
        f"exceedances {how} the time before: {repeat} of {leave + repeat} follow one, {enter} of {stay + enter} do not "
        f"(p = {p_value:.2g})"
    )
    return TestResult("Christoffersen independence", null, statistic, p_value, len(h), verdict)


def christoffersen(hits: npt.ArrayLike, level: float, alpha: float = 0.05) -> TestResult:
    """Test frequency and independence of exceedances jointly (conditional coverage).

    Notes
    -----
    Sum of Kupiec's and of the independence statistic, chi-squared with two degrees of freedom. Christoffersen (1998),
    doi:10.2307/2527341. Without two exceedances the second is taken as 0, which is its limit for rare exceedances.
    """
    null = f"exceedances have probability {level:g}, whatever happened the time before"
    coverage, independence = kupiec(hits, level), christoffersen_independence(hits)
    if coverage.statistic is None:
        return TestResult("Christoffersen conditional coverage", null, None, None, coverage.rows, coverage.verdict)
    statistic = coverage.statistic + (independence.statistic or 0.0)
    p_value = _chi_squared(statistic, 2)
    how = "violated" if p_value < alpha else "not rejected"
    verdict = f"conditional coverage is {how} (p = {p_value:.2g}); {coverage.verdict}"
    return TestResult("Christoffersen conditional coverage", null, statistic, p_value, coverage.rows, verdict)


def traffic_light(hits: npt.ArrayLike, level: float = 0.01) -> TestResult:
    """Put the number of exceedances into Basel's green, yellow or red zone.

    Parameters
    ----------
    hits : array of bool, shape (days,)
        The committee looks at 250 days; other lengths use the same probabilities.
    level : float
        Promised share of exceedances, decimal.

    Notes
    -----
    The zone is that of the probability, under the null, of at most as many exceedances: yellow from 95 %, red from
    99.99 %. Basel Committee (1996), Supervisory framework for the use of "backtesting" in conjunction with the internal
    models approach, table 2: for 250 days at 1 % green is 0 to 4, yellow 5 to 9, red 10 and more. ``statistic`` is the
    count, ``p_value`` the probability of as many or more; the verdict starts with the zone.
    """
    from scipy.stats import binom

    h = _flags(hits)
    count = int(h.sum())
    cumulative = float(binom.cdf(count, len(h), level))
    # Over a few days even none at all is more than 95 % likely; that is no warning.
    zone = GREEN if not count or cumulative < _YELLOW_FROM else YELLOW if cumulative < _RED_FROM else RED
    p_value = float(binom.sf(count - 1, len(h), level))
    verdict = f"{zone}: {count} exceedances in {len(h)} days, {level * len(h):.1f} expected"
    null = f"exceedances have at most probability {level:g}"
    return TestResult("Basel traffic light", null, float(count), p_value, len(h), verdict)


def acerbi_szekely(
    returns: npt.ArrayLike,
    value_at_risk: npt.ArrayLike,
    expected_shortfall: npt.ArrayLike,
    level: float,
    alpha: float = 0.05,
    draws: int = 4000,
    seed: int = 7,
) -> TestResult:
    """Test whether losses are as deep as the expected shortfall says: Acerbi and Szekely's second statistic.

    Parameters
    ----------
    returns, value_at_risk, expected_shortfall : array of shape (days,)
        In one unit, losses negative.
    level : float
        Of both figures, decimal: 0.025 for 97.5 %.
    alpha : float
        Significance level of the verdict.
    draws, seed : int
        Of the null distribution.

    Notes
    -----
    ``Z2 = 1 - mean(r 1[r < VaR] / (level ES))``: 0 in expectation under the null, below 0 when risk is understated.
    Acerbi and Szekely (2014), Backtesting expected shortfall, Risk, test 2. They draw the null from the model's own
    distribution; here a day's loss relative to its shortfall is drawn, with probability ``level``, from a generalised
    Pareto tail whose mean is 1 and whose edge is the day's VaR / ES, which is all that the two figures say of the tail.
    One-sided.
    """
    r, v, e = (np.asarray(a, np.float64) for a in (returns, value_at_risk, expected_shortfall))
    hits = exceedances(r, v)
    null = "losses beyond the value at risk are as frequent and as deep as the expected shortfall says"
    if not len(r) or (e >= 0).any() or (e > v).any():
        raise DataRejected(
            "An expected shortfall is not negative, or lies above its value at risk.",
            "Give both as negative returns, the shortfall being the deeper one.",
        )
    statistic = float(1 - np.mean(np.where(hits, r / (level * e), 0.0)))
    drawn = _shortfall_null(np.clip(v / e, 0.0, 1.0), level, draws, seed)
    p_value = float((1 + np.sum(drawn <= statistic)) / (draws + 1))
    how = "deeper than" if p_value < alpha else "not significantly deeper than"
    verdict = f"losses are {how} forecast: Z2 = {statistic:+.3f} (p = {p_value:.2g}), {int(hits.sum())} exceedances"
    return TestResult("Acerbi-Szekely Z2", null, statistic, p_value, len(r), verdict)


def _shortfall_null(edge: Vector, level: float, draws: int, seed: int) -> Vector:
    """Draw Z2 under the null: losses beyond the edge have a generalised Pareto tail of shape 1/4 and mean 1."""
    rng = np.random.default_rng(seed)
    shape = 0.25
    counts = rng.binomial(len(edge), level, draws)
    total = int(counts.sum())
    edges = edge[rng.integers(0, len(edge), total)]
    # A generalised Pareto excess of scale s has mean s / (1 - shape); the mean of edge + excess is to be 1.
    excess = (1 - shape) * (1 - edges) * (rng.random(total) ** -shape - 1) / shape
    owner = np.repeat(np.arange(draws), counts)
    sums = np.bincount(owner, weights=edges + excess, minlength=draws)
    drawn: Vector = 1 - sums / (level * len(edge))
    return drawn


def _flags(hits: npt.ArrayLike) -> Flags:
    array = np.asarray(hits)
    if array.ndim != 1 or array.dtype != np.bool_:
        raise DataRejected(
            f"Exceedances have shape {array.shape} and type {array.dtype}.", "Give one truth value per day."
        )
    return array


def _transitions(h: Flags) -> tuple[tuple[int, int], tuple[int, int]]:
    """Count successions: (no to no, no to yes), (yes to no, yes to yes)."""
    before, after = h[:-1], h[1:]
    counts = [[int(np.sum((before == a) & (after == b))) for b in (False, True)] for a in (False, True)]
    return (counts[0][0], counts[0][1]), (counts[1][0], counts[1][1])


def _bernoulli(count: int, rows: int, probability: float | None = None) -> float:
    """Return the log likelihood of ``count`` successes, at the observed rate where no probability is given."""
    if not rows:
        return 0.0
    p = count / rows if probability is None else probability
    likelihood = count * math.log(p) if count else 0.0
    return likelihood + ((rows - count) * math.log1p(-p) if rows > count else 0.0)


def _chi_squared(statistic: float, degrees: int) -> float:
    from scipy.stats import chi2

    return float(chi2.sf(max(statistic, 0.0), degrees))


def basel_multiplier(hits: npt.ArrayLike) -> float:
    """Return the capital multiplier that the last 250 days' exceedances of the 99 % value at risk bring about.

    Basel Committee (1996), table 2: 3 in the green zone, up to 4 in the red one.
    """
    additions: dict[int, Any] = {5: 0.40, 6: 0.50, 7: 0.65, 8: 0.75, 9: 0.85}
    count = int(_flags(hits)[-250:].sum())
    return 3.0 + (0.0 if count <= 4 else additions.get(count, 1.0))
