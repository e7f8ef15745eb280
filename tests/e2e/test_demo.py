"""The main job, whole: two versions trained, one promoted under traffic, a bad one rolled back, no request lost."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

import pytest
from rich.console import Console

from components.registry import versions
from components.rollout.history import replay
from components.settings import settings
from pipelines.demo import DemoResult, run_demo

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoResult]:
    home = tmp_path_factory.mktemp("demo") / "home"
    before = os.environ.get("ARTHAFLOW_HOME")
    os.environ["ARTHAFLOW_HOME"] = str(home)
    settings.cache_clear()
    yield run_demo(home, Console(file=io.StringIO(), width=120))
    settings.cache_clear()
    os.environ.pop("ARTHAFLOW_HOME")
    if before is not None:
        os.environ["ARTHAFLOW_HOME"] = before


def test_no_request_fails(demo: DemoResult) -> None:
    assert demo.traffic.sent == demo.traffic.ok > 1000
    assert set(demo.traffic.versions) == {"1", "2", "3"}


def test_version_2_is_promoted_and_the_bad_version_3_is_not(demo: DemoResult) -> None:
    assert demo.promoted.outcome == "promoted"
    assert demo.rolled_back.outcome == "rolled_back"
    assert "predictions moved" in demo.rolled_back.reason
    story = versions.story("price_forecast")
    assert story["aliases"]["production"] == "2"
    assert story["versions"][2]["outcome"].endswith(demo.rolled_back.reason)


def test_both_rollouts_replay_to_the_same_decisions(demo: DemoResult) -> None:
    files = sorted((demo.home / "rollouts").glob("price_forecast-*.jsonl"))
    assert len(files) == 2
    judged = [item for file in files for item in replay(file)]
    assert len(judged) >= 4
    assert all(item.identical for item in judged)


def test_drift_is_seen_after_the_change_and_not_before(demo: DemoResult) -> None:
    assert demo.drift_before["outcome"] == "no_drift", demo.drift_before["sentence"]
    assert demo.drift_after["outcome"] == "drift"
    assert {"ks", "psi", "alibi_ks", "alibi_mmd"} == {r["detector"] for r in demo.drift_after["results"]}


def test_the_forecast_carries_what_document_0_asks_for(demo: DemoResult) -> None:
    forecast = demo.forecast
    assert forecast["model_version"] == "2"
    assert list(forecast["predictions"]) == ["1_day", "5_day", "1_month"]
    for horizon in forecast["predictions"].values():
        low, high = horizon["confidence_interval"]
        assert low < horizon["price"] < high
        assert 0 <= horizon["confidence"] <= 1
    assert forecast["risk_assessment"]["var_95"] < 0
    assert "Predictions are probabilistic, not guarantees." in forecast["disclaimers"]


def test_every_method_explains(demo: DemoResult) -> None:
    assert [e["method"] for e in demo.explanations] == [
        "kernel_shap",
        "kernel_shap",
        "anchor_tabular",
        "permutation_shap",
    ]
    for explanation in demo.explanations:
        if "additivity" in explanation:
            assert explanation["additivity"]["holds"]


def test_the_report_is_one_file_without_the_network(demo: DemoResult) -> None:
    assert demo.report is not None
    page = demo.report.read_text(encoding="utf-8")
    assert demo.rolled_back.reason.split(":")[0] in page
    assert 'src="http' not in page
    assert len(page) < 3_000_000
