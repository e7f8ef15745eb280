"""The rollout graph, really run through kfp.local, against the fake API server, a toy Prometheus and a real registry."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.catalog import get_spec
from components.registry.versions import CANDIDATE, PRODUCTION, Registry
from components.rollout.archive import open_archive
from components.rollout.history import read_history, replay, replay_events
from components.settings import Settings
from pipelines.local import run_steps
from tests.integration.rollout.kubernetes_fixture import Cluster
from tests.integration.rollout.served import BASE, MODEL, artifact, install
from tests.integration.rollout.test_kserve_rollout import label, weights
from tests.integration.rollout.toy_prometheus import toy_prometheus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory, artifacts: dict[str, Path]) -> Path:
    home = tmp_path_factory.mktemp("home")
    registry = Registry(Settings(home=home))
    for version in ("1", "2", "3"):
        registry.register(
            MODEL, artifacts[version], key=f"run{version}", tags={}, params={}, metrics={}, alias=CANDIDATE
        )
    return home


@pytest.fixture
def cluster(pretended: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The fake cluster, which the steps' processes find by a kubeconfig."""
    assert pretended.fake is not None
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": pretended.fake.url}}],
        "users": [{"name": "nobody", "user": {}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "nobody"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    install(pretended.api(), "Standard")
    return pretended


def run(home: Path, version: str, **more: Any) -> Path:
    with toy_prometheus(get_spec(MODEL), shifted="3") as url:
        arguments = {
            "version": version,
            "artifact": artifact(version),
            "namespace": "ml",
            "prometheus": url,
            "soak_s": 1.0,
            "max_wait_s": 30.0,
            "drain_s": 0.1,
            **more,
        }
        return run_steps(MODEL, "rollout", arguments, home)[1]


def ran(directory: Path) -> set[str]:
    return {p.parent.name for p in directory.glob("**/executor_output.json")}


def test_a_good_version_is_promoted_and_a_bad_one_rolled_back(cluster: Cluster, registered: Path) -> None:
    registry = Registry(Settings(home=registered))
    good = run(registered, "2")
    assert (weights(cluster), label(cluster, f"{BASE}-v1")) == ({f"{BASE}-v2": 100}, None)
    assert registry.get(MODEL, PRODUCTION).version == "2"
    assert {"prepare-rollout", "canary-step", "canary-step-2", "canary-step-3", "promote", "finish-rollout"} <= ran(
        good
    )
    assert "roll-back" not in ran(good)
    page, card, history = (next(good.glob(f"**/promote/{name}")) for name in ("page", "card", "history"))
    assert "<svg" in page.read_text()
    assert "Version 2 of price_forecast was promoted" in card.read_text()
    assert [e["event"] for e in read_history(history) if e["event"] not in ("judged", "resumed")] == [
        "started", "deployed", "step", "step", "step", "promoted",
    ]  # fmt: skip
    assert all(r.identical for r in replay(history))
    assert "Version 2 serves" in next(good.glob("**/finish-rollout/summary")).read_text()

    bad = run(registered, "3")
    assert (weights(cluster), label(cluster, f"{BASE}-v3")) == ({f"{BASE}-v2": 100}, None)
    assert registry.get(MODEL, PRODUCTION).version == "2"
    assert "roll-back" in ran(bad)
    assert "promote" not in ran(bad)
    assert "predictions moved" in next(bad.glob("**/roll-back/card")).read_text()
    scalars = json.loads(next(bad.glob("**/canary-step-3/executor_output.json")).read_text())
    assert scalars["parameterValues"]["Output"] == "rollback"  # passed through
    assert cluster.broken == []

    archive = open_archive(Settings(home=registered))
    kept = [archive.read(key) for key in archive.keys(MODEL)]
    assert sorted(events[-1]["event"] for events in kept) == ["promoted", "rolled_back"]
    assert all(r.identical for events in kept for r in replay_events(events))
