"""The verdict's rules one by one, and the report as a whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from components.experiments.assignment import Slice
from components.experiments.design import Design
from components.experiments.metric import Metric, named
from components.experiments.report import Evidence, build_report
from components.experiments.sequential import SequentialTest
from components.experiments.srm import check_ratio
from components.experiments.users import Observations, Users
from components.experiments.verdict import Guard, Verdict, decide, guard

START = datetime(2026, 11, 1, tzinfo=UTC)
CLICKS, ERRORS = named("click_rate", "primary"), named("prediction_error", "guardrail")
FAIR = check_ratio((5000, 5000), (0.5, 0.5))


def outcome(low: float, high: float, users: int = 10_000) -> SequentialTest:
    middle = (low + high) / 2
    return SequentialTest(
        "t", "h", 1.0, 1.0 + middle, middle, (low, high), 1.0, 0.01, 100.0, (users // 2, users // 2), 0.05, ""
    )


def verdict(
    test: SequentialTest, *guards: Guard, days: float = 10.0, ratio: object = FAIR, metric: Metric = CLICKS
) -> Verdict:
    return decide(
        metric,
        test,
        guards,
        ratio,
        minimum_sample_size=10_000,
        days=days,
        minimum_days=7.0,
        planned_days=14.0,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("test", "days", "decision", "words"),
    [
        (outcome(0.01, 0.03), 10, "promote_treatment", "improves by 0.01 to 0.03"),
        (outcome(0.01, 0.03), 3, "need_more_data", "only 3.0 of 7 days"),
        (outcome(0.01, 0.03, users=4000), 10, "need_more_data", "4000 of at least 10000"),
        (outcome(-0.03, -0.01, users=4000), 1, "keep_control", "is worse"),
        (outcome(-0.01, 0.03), 10, "need_more_data", "planned time is not over"),
        (outcome(-0.01, 0.03), 14, "keep_control", "No improvement is shown"),
        (outcome(-0.01, 0.03, users=4000), 20, "need_more_data", "4000 of at least 10000"),
    ],
)
def test_rules(test: SequentialTest, days: float, decision: str, words: str) -> None:
    found = verdict(test, days=days)
    assert (found.decision, words in found.reason) == (decision, True), found.reason


def test_lower_can_be_better() -> None:
    assert verdict(outcome(-0.03, -0.01), metric=named("prediction_error", "primary")).decision == "promote_treatment"


@pytest.mark.parametrize(
    ("test", "standing", "decision"),
    [
        (outcome(-0.05, 0.01), "passed", "promote_treatment"),
        (outcome(-0.05, 0.03), "open", "need_more_data"),
        (outcome(0.03, 0.05), "failed", "keep_control"),
    ],
)
def test_guardrails_are_non_inferiority_tests(test: SequentialTest, standing: str, decision: str) -> None:
    """The control's mean is 1, so that the margin of 2 % is 0.02; an error is better when it is lower."""
    judged = guard(ERRORS, test)
    assert judged.standing == standing
    assert verdict(outcome(0.01, 0.03), judged).decision == decision


def test_a_mismatch_blocks_everything() -> None:
    found = verdict(outcome(0.01, 0.03), ratio=check_ratio((5000, 4500), (0.5, 0.5)))
    assert (found.decision, found.blocked) == ("need_more_data", True)
    assert "Sample ratio mismatch" in found.reason


def design(**more: object) -> Design:
    metrics = (
        CLICKS,
        named("conversion"),
        Metric("complaints", "guardrail", "total", lower_is_better=True, margin=0.5),
    )
    values = {
        "minimum_sample_size": 1000,
        "metrics": metrics,
        "part": Slice(0, 5000),
        "overrides": {"t": "treatment"},
        **more,
    }
    halves = {"control": 0.5, "treatment": 0.5}
    return Design(
        "e", "m", {"control": "1", "treatment": "2"}, halves, start=START, end=START + timedelta(days=14), **values
    )  # type: ignore[arg-type]


def evidence(users: int, effect: float = 0.0, seed: int = 1) -> Evidence:
    rng = np.random.default_rng(seed)
    variant = rng.integers(0, 2, users)
    entered = np.sort(START.timestamp() + rng.uniform(0, 9 * 86_400, users))
    people = Users(variant, entered, {"tier": rng.choice(["a", "b"], users)})
    past = rng.normal(size=users)
    ones, place = np.ones(users), np.arange(users)
    clicks = Observations(place, past + effect * variant + 0.3 * rng.normal(size=users), ones, entered + 60, past)
    others = Observations(place, rng.random(users), ones, entered + 60, np.full(users, np.nan))
    counts = (int((variant == 0).sum()), int((variant == 1).sum()))
    return Evidence(people, {"click_rate": clicks, "conversion": others, "complaints": others}, counts)


@pytest.mark.parametrize("users", [0, 5, 150, 2000])
def test_reports_of_any_size_are_json(users: int) -> None:
    report = build_report(design(), evidence(users, 0.2), now=START + timedelta(days=10))
    again = json.loads(json.dumps(report, allow_nan=False))
    assert again["verdict"]["decision"] == ("promote_treatment" if users == 2000 else "need_more_data"), report[
        "verdict"
    ]
    assert again["metrics"][0]["cuped"]["applied"] == (users >= 150)


def test_the_path_ends_with_the_report_and_uses_only_what_was_known() -> None:
    report = build_report(design(), evidence(2000, 0.2), now=START + timedelta(days=10), looks=20)
    last, test = report["path"][-1], report["metrics"][0]["test"]
    assert last["effect"] == pytest.approx(test["effect"])
    assert [p["users"] for p in report["path"]] == sorted(p["users"] for p in report["path"])
    assert report["path"][0]["users"] < 200


def test_aa_reports_almost_never_decide() -> None:
    """The whole report on data without a difference, looked at over its path: the error holds end to end."""
    false = 0
    for seed in range(60):
        report = build_report(design(), evidence(1500, seed=seed), now=START + timedelta(days=10), looks=15)
        false += any(p["interval"] and (p["interval"][0] > 0 or p["interval"][1] < 0) for p in report["path"])
    assert false <= 8  # 3 are expected at most; 8 has a chance below one percent


def test_a_design_survives_the_records() -> None:
    made = design()
    raw = json.loads(json.dumps(made.to_config()))
    assert Design.from_config("e", "m", made.start, made.end, raw) == made
    assert made.variant_of("t") == "treatment"
    assert made.share == 0.5
