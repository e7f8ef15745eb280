from typing import Any

import pytest

from components.evaluation.gate import decide
from components.models.spec import ModelSpec

SPEC = ModelSpec(name="m", title="M", summary="", owner="", data_licence="", coverage=0.9)


def test_of(p_value: float | None) -> dict[str, Any]:
    return {"p_value": p_value, "verdict": "not defined"}


test_of.__test__ = False  # type: ignore[attr-defined]


def evaluation(**changes: Any) -> dict[str, Any]:
    gate = {
        "metric": "interval_score",
        "baseline": "random_walk",
        "alpha": 0.05,
        "ratio": 0.8,
        "test": test_of(0.001),
        "rmse_ratio": 1.001,
        "point_test": test_of(0.7),
        "drift": None,
        "other_baselines": {"random_walk_ewma": 1.02},
        "other_tests": {"random_walk_ewma": test_of(0.6)},
        "all_finite": True,
        "coverage": 0.89,
        "coverage_horizon": "1_day",
    }
    production = changes.pop("production", {"compared": False, "reason": "no version is in production yet"})
    return {"gate": gate | changes, "production": production}


def test_a_good_version_is_promoted_and_its_shortcomings_are_named() -> None:
    verdict = decide(SPEC, evaluation())
    assert verdict.promote
    assert "0.800 times the random walk's" in verdict.reason
    assert "point forecast does not beat the random walk" in verdict.reason
    assert "does not beat the EWMA-scaled random walk's (ratio 1.020" in verdict.reason
    assert "no version is in production yet" in verdict.reason
    assert "\n" not in verdict.reason


@pytest.mark.parametrize(
    ("change", "check", "words"),
    [
        ({"ratio": 1.1}, "baseline", "not significantly below"),
        ({"test": {"p_value": 0.2, "verdict": ""}}, "baseline", "p = 0.2"),
        ({"test": {"p_value": None, "verdict": "not defined on 3 times"}}, "baseline", "not defined on 3 times"),
        ({"rmse_ratio": 1.05}, "rmse", "1.0500 is above the limit of 1.02"),
        ({"coverage": 0.8}, "coverage", "80.0% is outside"),
        ({"all_finite": False}, "finite", "not finite"),
        ({"ratio": None}, "finite", "not finite"),
        ({"production": {"compared": True, "loss": 0.05, "rows": 300}}, "production", "+5.0% on 300 rows"),
    ],
)
def test_one_failed_check_refuses_and_is_the_reason(change: dict[str, Any], check: str, words: str) -> None:
    verdict = decide(SPEC, evaluation(**change))
    assert not verdict.promote
    assert check in {c.name for c in verdict.checks if not c.passed}
    assert verdict.reason.startswith("Refused: ")
    assert words in verdict.reason


def test_a_version_slightly_worse_than_production_passes_within_the_limit() -> None:
    assert decide(SPEC, evaluation(production={"compared": True, "loss": 0.01, "rows": 300})).promote


def test_a_model_without_intervals_has_no_coverage_check() -> None:
    verdict = decide(SPEC, evaluation(coverage=None))
    assert "coverage" not in {c.name for c in verdict.checks}
