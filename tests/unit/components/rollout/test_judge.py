"""What the judge claims: properties over many windows, and the sentences that people read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.catalog import get_spec
from components.rollout.judge import Judgement, judge
from components.rollout.metrics import RequestRow, WindowMetrics, summarise
from components.rollout.plan import Limits, RolloutPlan, plan_for

LIMITS = RolloutPlan(soak_s=3, interval_s=1, max_wait_s=15, limits=Limits(tolerance=0.005)).limits
SEVERITY = {"success": 0, "inconclusive": 1, "failure": 2}


def window(
    version: str = "2",
    requests: int = 400,
    errors: int = 0,
    rejected: int = 0,
    *,
    shift: float = 1.0,
    latency: float = 5.0,
    seed: int = 0,
) -> WindowMetrics:
    rng = np.random.default_rng(seed)
    answers = max(0, requests - errors - rejected)
    latencies = np.sort(rng.gamma(4.0, latency / 4.0, answers))
    predictions = shift * rng.normal(1.0, 0.004, answers)
    return WindowMetrics(version, requests, errors, rejected, tuple(latencies.tolist()), tuple(predictions.tolist()))


STABLE = window("1", 900, seed=1)


def check(judgement: Judgement, name: str) -> str:
    return next(c.outcome for c in judgement.checks if c.name == name)


@given(st.integers(0, 600), st.integers(0, 60), st.integers(0, 60), st.floats(0.5, 2), st.floats(1, 900))
def test_identical_windows_never_fail(n: int, errors: int, rejected: int, shift: float, latency: float) -> None:
    one = window("1", n, min(errors, n), min(rejected, n - min(errors, n)), shift=shift, latency=latency)
    assert judge(one, replace(one, version="2"), LIMITS).outcome != "failure"


@given(st.integers(1, 500), st.integers(0, 40), st.data())
def test_more_errors_never_help(n: int, stable_errors: int, data: st.DataObject) -> None:
    fewer = data.draw(st.integers(0, n - 1))
    more = data.draw(st.integers(fewer + 1, n))
    stable, canary = replace(STABLE, errors=stable_errors), window("2", n)
    verdicts = [judge(stable, replace(canary, errors=e), LIMITS).outcome for e in (fewer, more)]
    assert SEVERITY[verdicts[0]] <= SEVERITY[verdicts[1]]


@given(st.integers(130, 600), st.floats(1.1, 3), st.integers(0, 99))
@settings(max_examples=50)
def test_bad_predictions_fail_with_enough_samples(n: int, shift: float, seed: int) -> None:
    verdict = judge(STABLE, window("3", n, shift=shift, seed=seed), LIMITS)
    assert verdict.outcome == "failure"
    assert check(verdict, "predictions") == "failure"


@given(st.integers(0, 99), st.floats(0.3, 3), st.integers(0, 2), st.floats(1, 900))
def test_small_samples_are_inconclusive(n: int, shift: float, errors: int, latency: float) -> None:
    canary = window("2", n, min(errors, n), shift=shift, latency=latency)
    assert n < LIMITS.min_requests
    # predictions may be enough in number before the error rate is, but a few errors never roll back
    if judge(STABLE, canary, LIMITS).outcome == "failure":
        assert check(judge(STABLE, canary, LIMITS), "predictions") == "failure"
        assert n >= LIMITS.min_effective


def test_equal_versions_pass_at_the_minimum_sample_with_the_wanted_power() -> None:
    limits = Limits(looks=10)
    n = int(np.ceil(limits.min_effective / 0.9)) + 1  # at 10 %: nine stable rows for each canary row
    n = max(n, limits.min_requests)
    passed = sum(
        judge(window("1", 9 * n, seed=s), window("2", n, seed=10_000 + s), limits).outcome == "success"
        for s in range(200)
    )
    assert passed >= limits.power * 200 - 3 * np.sqrt(200 * 0.9 * 0.1)


def test_versions_at_the_limit_rarely_pass() -> None:
    """A canary that truly moves a share of ``distance`` passes with probability alpha at most."""
    limits = Limits(tolerance=0.005)
    passed = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        canary = window("2", 150, seed=1000 + seed)
        moved = np.where(rng.random(150) < limits.distance + 0.01, 0.5, 0.0)
        canary = replace(canary, predictions=tuple((np.array(canary.predictions) + moved).tolist()))
        passed += judge(STABLE, canary, limits).outcome == "success"
    assert passed <= 200 * limits.alpha + 3 * np.sqrt(200 * 0.05 * 0.95)


def test_a_good_version_succeeds_and_says_so() -> None:
    verdict = judge(STABLE, window("2", seed=2), LIMITS)
    assert verdict.outcome == "success"
    assert verdict.reason.startswith("Version 2 is within its limits: 0 of 400 requests failed")


def test_an_error_rate_above_the_limit_fails_and_says_so() -> None:
    verdict = judge(STABLE, window("2", 400, 32), LIMITS)
    assert verdict.outcome == "failure"
    assert verdict.reason == "Version 2 fails: 32 of 400 requests failed (8.0%, limit 5.0%, stable 0.0%)."


def test_errors_fail_before_the_sample_is_complete_when_they_are_certain() -> None:
    assert judge(STABLE, window("2", 8, 8), LIMITS).outcome == "failure"
    assert judge(STABLE, window("2", 2, 2), LIMITS).outcome == "inconclusive"


def test_errors_that_the_stable_version_shares_are_no_verdict() -> None:
    verdict = judge(window("1", 900, 90), window("2", 400, 42), LIMITS)
    assert verdict.outcome == "inconclusive"
    assert "the stable version fails as often" in verdict.reason


def test_refusing_what_the_stable_version_takes_fails() -> None:
    verdict = judge(STABLE, window("2", 400, rejected=100), LIMITS)
    assert verdict.outcome == "failure"
    assert "25.0% of the requests were refused with 4xx" in verdict.reason


def test_refusing_what_the_stable_version_refuses_too_is_the_clients_fault() -> None:
    assert judge(window("1", 900, rejected=450), window("2", 800, rejected=400), LIMITS).outcome == "success"


def test_slow_answers_fail() -> None:
    verdict = judge(STABLE, window("2", latency=400.0), LIMITS)
    assert verdict.outcome == "failure"
    assert "p95 latency is" in verdict.reason


def test_slow_answers_of_both_versions_are_no_verdict() -> None:
    assert judge(window("1", 900, latency=400.0), window("2", latency=400.0), LIMITS).outcome == "inconclusive"


def test_much_slower_than_stable_fails_within_the_limit() -> None:
    assert judge(STABLE, window("2", latency=90.0), LIMITS).outcome == "failure"
    assert judge(STABLE, window("2", latency=20.0), LIMITS).outcome == "success"


def test_a_difference_within_the_tolerance_is_no_difference() -> None:
    stable = replace(STABLE, predictions=tuple(np.linspace(1.0, 1.0005, 900).tolist()))
    canary = replace(window("2"), predictions=tuple(np.linspace(1.002, 1.0025, 400).tolist()))
    assert judge(stable, canary, LIMITS).outcome == "success"
    assert judge(stable, canary, replace(LIMITS, tolerance=0.0)).outcome == "failure"


def test_without_predictions_the_verdict_waits_unless_they_are_not_limited() -> None:
    stable, canary = replace(STABLE, predictions=()), replace(window("2"), predictions=())
    assert judge(stable, canary, LIMITS).outcome == "inconclusive"
    assert judge(stable, canary, replace(LIMITS, distance=1.0)).outcome == "success"


def test_a_verdict_survives_json() -> None:
    verdict = judge(STABLE, window("2", seed=2), LIMITS)
    assert Judgement.from_dict(verdict.to_dict()) == verdict


def test_only_first_random_attempts_count() -> None:
    rows = [
        RequestRow(1.0, "canary", "2", 0, 1.0),
        RequestRow(1.1, "stable", "1", 200, 1.0, 1.01, attempt=2),
        RequestRow(1.2, "canary", "2", 200, 2.0, 1.02),
        RequestRow(1.3, "canary", "2", 200, 2.0, 1.5, forced=True),
        RequestRow(1.4, "canary", "2", 200, 3.0, None, unusable=True),
        RequestRow(1.5, "canary", "2", 400, 1.0),
    ]
    assert summarise(rows, "2") == WindowMetrics("2", 4, 2, 1, (2.0, 3.0), (1.02,))
    assert summarise(rows, "1").requests == 0


def test_the_limits_come_from_the_spec() -> None:
    spec = get_spec("price_forecast")
    limits = plan_for(spec, soak_s=1, interval_s=1, max_wait_s=10).limits
    assert (limits.error_rate, limits.p95_ms) == (spec.slo.error_rate, spec.slo.p95_ms)
    assert (limits.distance, limits.tolerance, limits.looks) == (0.35, 0.005, 10)


@pytest.mark.parametrize("steps", [(), (10, 50), (50, 10, 100), (0, 100), (10, 10, 100)])
def test_a_malformed_plan_says_what_is_wrong(steps: tuple[int, ...]) -> None:
    with pytest.raises(Exception, match=r"steps are .* rising percentages"):
        RolloutPlan(steps=steps)
