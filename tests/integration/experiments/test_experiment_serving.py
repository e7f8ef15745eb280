"""Two versions behind the real router: users keep their variant, also over restarts; rollouts and experiments exclude each other."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

import numpy as np
import pytest

from components.catalog import get_spec
from components.experiments.design import Design
from components.experiments.metric import named
from components.records.database import Database
from components.rollout.interruption import RolloutBusy
from components.rollout.targets.local import LocalTarget
from components.rollout.tenancy import CanaryHeld, Tenancy
from components.settings import settings
from inference.gateway.experiments.assigner import Assigner
from inference.gateway.experiments.payloads import ExperimentRequest
from inference.gateway.experiments.store import create, stop
from inference.local import LocalServing, Watchdog
from inference.v2.client import encode_request
from pipelines import rolling
from pipelines.ab_tests import serve_both, serve_control
from pipelines.stack import Stack
from tests.support.tiny import make_tiny_artifact, test_rooms, tiny_rows

VERSIONS = {"control": "1", "treatment": "2"}


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tiny-experiments")
    return {v: make_tiny_artifact(folder / v, bias=bias).directory for v, bias in (("1", 0.0), ("2", 0.5))}


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[LocalServing]:
    with test_rooms():
        serving = LocalServing(tmp_path)
        yield serving
        serving.stop_all()


@pytest.fixture
def registry(artifacts: dict[str, Path]) -> Any:
    """The registry's two questions that this asks, answered from the artifacts that were really made."""
    return SimpleNamespace(
        resolve=lambda name, version: artifacts[version], get=lambda name, version: SimpleNamespace(version=version)
    )


def design(name: str = "tiny_2", treatment: str = "2") -> Design:
    now = datetime.now(UTC)
    versions = {"control": "v1", "treatment": treatment}
    halves = {"control": 0.5, "treatment": 0.5}
    return Design(name, "tiny", versions, halves, (named("accuracy", "primary"),), now, now + timedelta(days=14))


def ask(url: str, track: str = "") -> tuple[str, float]:
    """Return version and first price."""
    body, headers = encode_request({k: v[:1] for k, v in tiny_rows(1).items()})
    if track:
        headers["x-model-track"] = track
    request = Request(f"{url}/v2/models/tiny/infer", body, headers, method="POST")
    with build_opener(ProxyHandler({})).open(request, timeout=30) as answer:
        told = json.loads(answer.read()) if "json" in answer.headers["content-type"] else {}
        price = np.ravel(told["outputs"][0]["data"])[0] if told else float("nan")
        return answer.headers["x-model-version"], float(price)


@pytest.mark.slow
def test_users_stay_with_their_version_over_restarts(
    serving: LocalServing, registry: Any, artifacts: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTHAFLOW_HOME", str(tmp_path))
    settings.cache_clear()
    database = Database(f"sqlite:///{tmp_path / 'records.db'}")
    database.migrate()
    target = LocalTarget(serving, "tiny")
    router = target.begin("1", str(artifacts["1"]))
    asked = ExperimentRequest(
        experiment_id="tiny_2", model="tiny", success_metrics=["accuracy"],
        variants={v: {"model_version": n, "traffic_split": 0.5} for v, n in VERSIONS.items()},
    )  # fmt: skip
    row = create(database, asked, "tester")
    from inference.gateway.experiments.store import design_of

    made = design_of(row)
    assert serve_both(serving, made, registry) == "2"
    assert serve_both(serving, made, registry) == "2", "starting it again is the same as once"
    assert {ask(router.url)[0] for _ in range(30)} == {"1"}, "nobody meets the canary by chance"

    assigner = Assigner(database)
    assigner.refresh()
    users = [f"u{i}" for i in range(40)]

    def versions() -> dict[str, str]:
        found = {}
        for user in users:
            given = assigner.assign("tiny", user)
            assert given is not None
            found[user], _ = ask(router.url, given.track)
            assert found[user] == given.version
        return found

    first = versions()
    assert set(first.values()) == {"1", "2"}
    with Watchdog(serving) as watchdog:
        for kind, version in (("predictor", "2"), ("router", "")):
            os.kill(serving.find(kind, "tiny", version).pid, signal.SIGKILL)
        deadline = time.monotonic() + 60
        while len(watchdog.restarts) < 2 or not serving.find("router", "tiny").alive:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        serving_again = time.monotonic() + 60
        while True:
            try:
                ask(router.url, "canary")
                break
            except OSError:
                assert time.monotonic() < serving_again
                time.sleep(0.2)
    assigner = Assigner(database)  # a new gateway process
    assigner.refresh()
    assert versions() == first

    stop(database, row, "tester", "enough")
    serve_control(serving, made)
    assigner.refresh()
    assert assigner.assign("tiny", "u0") is None
    assert target.canary_version == ""
    assert [e.key for e in serving.running()] == ["predictor/tiny/1", "router/tiny"]
    serve_control(serving, made)
    database.close()
    settings.cache_clear()


@pytest.mark.slow
def test_experiments_and_rollouts_exclude_each_other(
    serving: LocalServing, registry: Any, artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rolling, "Registry", lambda: registry)
    target = LocalTarget(serving, "tiny")
    target.begin("1", str(artifacts["1"]))
    with pytest.raises(Exception, match="control of other is 7"):
        serve_both(
            serving, Design(**{**vars(design("other")), "versions": {"control": "7", "treatment": "2"}}), registry
        )
    serve_both(serving, design(), registry)
    stack = Stack(serving, get_spec("tiny"))
    with pytest.raises(CanaryHeld, match=r"'tiny_2' holds version 2.*experiments end tiny_2"):
        rolling.roll_out(stack, "2")
    with pytest.raises(CanaryHeld, match="tiny_2"):
        serve_both(serving, design("second"), registry)
    with pytest.raises(CanaryHeld, match="belongs to experiment 'tiny_2'"):
        serve_control(serving, design("second"))
    assert target.canary_version == "2", "nobody who was refused changed anything"
    serve_control(serving, design())
    with (
        Tenancy(serving.home / "rollouts", "tiny").rolling("3"),
        pytest.raises(RolloutBusy, match="rollout of version 3"),
    ):
        serve_both(serving, design(), registry)
    assert target.canary_version == ""


@pytest.mark.slow
def test_a_treatment_that_does_not_start_leaves_nothing(
    serving: LocalServing, artifacts: dict[str, Path], tmp_path: Path
) -> None:
    target = LocalTarget(serving, "tiny")
    target.begin("1", str(artifacts["1"]))
    broken = SimpleNamespace(resolve=lambda name, version: tmp_path / "nothing")
    with pytest.raises(Exception, match=r"nothing|not ready|exited"):
        serve_both(serving, design(), broken)  # type: ignore[arg-type]
    assert target.canary_version == ""
    assert Tenancy(serving.home / "rollouts", "tiny").holding is None
