"""The judge: a pure function from two windows and the limits to success, failure or inconclusive, with the reason.

What each outcome claims, with error ``limits.alpha`` over all looks of a step:

- *failure*: the canary is over a limit, and the stable version under the same traffic does not explain it;
- *success*: the sample is large enough, and the canary is shown to be within the limits for errors and predictions (its
  latency only has to be measured within: a single slow answer of a noisy machine must not hold up a rollout);
- *inconclusive*: everything else. Keep the weights and wait.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from components.rollout.metrics import WindowMetrics
from components.rollout.plan import Limits
from components.rollout.statistics import (
    binomial_bounds,
    distance_margin,
    effective_sample,
    excess_p_value,
    moved_share,
    quantile_bounds,
)

Outcome = Literal["success", "failure", "inconclusive"]

EARLY_ERRORS = 3
"""Errors below which a sample smaller than the minimum never fails: one broken connection is no verdict."""

BLIND = 0.01
"""Share of predictions beyond the grid from which on the sentence mentions them; the bound counts all of them."""

EXCUSE_P = 0.05
"""A canary's errors count as explained by the stable version's when Fisher's p-value exceeds this."""


@dataclass(frozen=True)
class Check:
    """One comparison: ``value`` with its confidence bounds against ``limit``, and the stable version's value."""

    name: str
    outcome: Outcome
    sentence: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    stable: float | None = None


@dataclass(frozen=True)
class Judgement:
    """The verdict on one window, in one sentence, with its checks."""

    outcome: Outcome
    reason: str
    checks: tuple[Check, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Judgement:
        """Inverse of :meth:`to_dict`."""
        return cls(raw["outcome"], raw["reason"], tuple(Check(**c) for c in raw["checks"]))


def judge(stable: WindowMetrics, canary: WindowMetrics, limits: Limits) -> Judgement:
    """Judge a canary.

    Parameters
    ----------
    stable, canary : WindowMetrics
        The two versions under the same random mix of requests.
    limits : Limits
        See there.
    """
    checks = (
        check_errors(stable, canary, limits),
        check_rejections(stable, canary, limits),
        check_latency(stable, canary, limits),
        check_predictions(stable, canary, limits),
    )
    verdicts: tuple[tuple[Outcome, str], ...] = (("failure", "fails"), ("inconclusive", "cannot be judged yet"))
    for outcome, verdict in verdicts:
        found = [c.sentence for c in checks if c.outcome == outcome]
        if found:
            return Judgement(outcome, f"Version {canary.version} {verdict}: {'; '.join(found)}.", checks)
    said = "; ".join(c.sentence for c in checks)
    return Judgement("success", f"Version {canary.version} is within its limits: {said}.", checks)


def check_errors(stable: WindowMetrics, canary: WindowMetrics, limits: Limits) -> Check:
    """Compare the error rate with its limit; errors that the stable version shares do not count against the canary."""
    low, high = binomial_bounds(canary.errors, canary.requests, limits.alpha_per_look)
    enough = canary.requests >= limits.min_requests
    over = (enough and canary.error_rate > limits.error_rate) or (
        canary.errors >= EARLY_ERRORS and low > limits.error_rate
    )
    excess = excess_p_value(canary.errors, canary.requests, stable.errors, stable.requests) <= EXCUSE_P
    outcome: Outcome
    said = f"{canary.errors} of {canary.requests} requests failed ({canary.error_rate:.1%}"
    if over and excess:
        outcome, sentence = "failure", f"{said}, limit {limits.error_rate:.1%}, stable {stable.error_rate:.1%})"
    elif over:
        outcome, sentence = "inconclusive", f"{said}) but the stable version fails as often ({stable.error_rate:.1%})"
    elif not enough:
        outcome = "inconclusive"
        sentence = f"{canary.requests} of the {limits.min_requests} requests needed for the error rate have come"
    elif high > limits.error_rate:
        outcome, sentence = "inconclusive", f"{said}, up to {high:.1%} is possible, limit {limits.error_rate:.1%})"
    else:
        outcome, sentence = "success", f"{said}, at most {high:.1%})"
    return Check(
        "error_rate",
        outcome,
        sentence,
        canary.error_rate,
        low,
        high,
        limits.error_rate,
        stable.error_rate,
    )


def check_rejections(stable: WindowMetrics, canary: WindowMetrics, limits: Limits) -> Check:
    """Fail when the canary refuses requests (4xx) that the stable version takes."""
    excess = canary.rejected_rate - stable.rejected_rate
    p_value = excess_p_value(canary.rejected, canary.requests, stable.rejected, stable.requests)
    worse = canary.requests >= limits.min_requests and excess > limits.error_rate and p_value <= limits.alpha_per_look
    sentence = f"{canary.rejected_rate:.1%} of the requests were refused with 4xx, stable {stable.rejected_rate:.1%}"
    low, high = binomial_bounds(canary.rejected, canary.requests, limits.alpha_per_look)
    outcome: Outcome = "failure" if worse else "success"
    return Check(
        "rejections", outcome, sentence, canary.rejected_rate, low, high, limits.error_rate, stable.rejected_rate
    )


def check_latency(stable: WindowMetrics, canary: WindowMetrics, limits: Limits) -> Check:
    """Compare the p95 latency with its limit and with the stable version's."""
    low, high = quantile_bounds(canary.latencies_ms, 0.95, limits.alpha_per_look)
    _, stable_high = quantile_bounds(stable.latencies_ms, 0.95, limits.alpha_per_look)
    value, base = canary.latency(0.95), stable.latency(0.95)
    base_high = (stable_high if math.isfinite(stable_high) else stable.latencies_ms[-1]) if stable.latencies_ms else 0.0
    over_limit = low > limits.p95_ms and low > base_high
    slower = low > limits.p95_ms / 2 and bool(base_high) and low > limits.slowdown * base_high
    said = f"p95 latency is {value:.1f} ms (limit {limits.p95_ms:g} ms, stable {base:.1f} ms)"
    outcome: Outcome = "success"
    if canary.requests >= limits.min_requests and (over_limit or slower):
        outcome = "failure"
    elif not canary.latencies_ms:
        outcome, said = "inconclusive", "no latency was measured"
    elif value > limits.p95_ms:
        outcome, said = "inconclusive", f"{said}, which the sample or the stable version may explain"
    return Check("p95_ms", outcome, said, _known(value), _known(low), _known(high), limits.p95_ms, _known(base))


def check_predictions(stable: WindowMetrics, canary: WindowMetrics, limits: Limits) -> Check:
    """Compare the distributions of the predictions; see :func:`~components.rollout.statistics.moved_share`."""
    if limits.distance >= 1.0:
        return Check("predictions", "success", "predictions are not limited", limit=limits.distance)
    have, need = effective_sample(len(stable.predictions), len(canary.predictions)), limits.min_effective
    if have < need:
        sentence = (
            f"{len(canary.predictions)} canary and {len(stable.predictions)} stable predictions compare like "
            f"{have:.0f} of the {need:.0f} needed"
        )
        return Check("predictions", "inconclusive", sentence, limit=limits.distance)
    value = moved_share(stable.predictions, canary.predictions, limits.tolerance)
    margin = distance_margin(len(stable.predictions), len(canary.predictions), limits.alpha_per_look)
    blind = min(stable.outside, canary.outside)
    low, high = max(0.0, value - margin), min(1.0, value + margin + blind)
    outcome: Outcome
    what = f"by more than {limits.tolerance:g} " if limits.tolerance else ""
    said = f"{value:.0%} of the predictions moved {what}against version {stable.version}"
    if blind > BLIND:
        said += f", and {blind:.0%} lie beyond the spec's rollout.bounds, where moves cannot be seen"
    if low > limits.distance:
        outcome, sentence = "failure", f"{said} (at least {low:.0%} surely, limit {limits.distance:.0%})"
    elif high > limits.distance:
        outcome, sentence = "inconclusive", f"{said} ({low:.0%} to {high:.0%}, limit {limits.distance:.0%})"
    else:
        outcome, sentence = "success", f"{said} (at most {high:.0%})"
    return Check("predictions", outcome, sentence, value, low, high, limits.distance, 0.0)


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
