"""The whole way on real processes under live traffic: a good version promoted, a bad one rolled back, no failure."""

from __future__ import annotations

import math
import os
import signal
import time
from pathlib import Path

import pytest

from components.catalog import get_spec
from components.rollout.engine import run_rollout
from components.rollout.history import History, replay
from components.rollout.plan import plan_for
from components.rollout.request_log import RequestLog
from components.rollout.targets.local import LocalTarget
from inference.local import LocalServing, Watchdog
from inference.traffic import Traffic
from tests.support.tiny import test_rooms, tiny_rows

pytestmark = pytest.mark.slow
with test_rooms():
    TINY = get_spec("tiny")
PLAN = plan_for(TINY, soak_s=1.5, interval_s=1, max_wait_s=45)


def test_version_2_is_promoted_and_version_3_rolled_back(
    serving: LocalServing, artifacts: dict[str, Path], tmp_path: Path
) -> None:
    target, promoted = LocalTarget(serving, "tiny"), []
    router = target.begin("1", str(artifacts["1"]))
    history = tmp_path / "rollouts" / "history.jsonl"
    with Traffic(router.url, "tiny", tiny_rows(300), rate=250) as traffic:
        good, bad = (
            run_rollout(
                target,
                PLAN,
                version=version,
                artifact=str(artifacts[version]),
                history=History(history),
                on_promote=promoted.append,
            )
            for version in ("2", "3")
        )
    summary = traffic.stop()
    assert (good.outcome, good.stable_version) == ("promoted", "2"), good.reason
    assert (bad.outcome, bad.step, bad.stable_version) == ("rolled_back", 10, "2")
    assert "100% of the predictions moved by more than 0.005 against version 2" in bad.reason
    assert promoted == ["2"]
    assert (summary.failed, summary.failures) == (0, ())
    assert summary.sent == summary.ok == sum(summary.versions.values())
    assert set(summary.versions) == {"1", "2", "3"}
    assert [e.key for e in serving.running()] == ["predictor/tiny/2", "router/tiny"]
    again = replay(history)
    assert again
    assert all(r.identical for r in again)

    log = RequestLog(tmp_path / "rollouts" / "tiny.requests.db")
    rows = [r for v in "123" for r in log.read(v, 0.0, math.inf)]
    log.close()
    assert sum(r.status == 200 for r in rows) == summary.ok
    assert all(r.quantity == pytest.approx(1.5 if r.version == "3" else 1.0, abs=0.05) for r in rows)


def test_a_canary_killed_under_traffic_fails_no_request_and_is_rolled_back(
    serving: LocalServing, artifacts: dict[str, Path], tmp_path: Path
) -> None:
    target = LocalTarget(serving, "tiny")
    router = target.begin("1", str(artifacts["1"]))
    killed: list[int] = []

    def kill(event: dict[str, object]) -> None:
        if event.get("step") == 50 and not killed:
            killed.append(serving.find("predictor", "tiny", "2").pid)
            os.kill(killed[0], signal.SIGKILL)

    with Traffic(router.url, "tiny", tiny_rows(300), rate=250) as traffic:
        result = run_rollout(
            target,
            PLAN,
            version="2",
            artifact=str(artifacts["2"]),
            history=History(tmp_path / "history.jsonl"),
            on_event=kill,
        )
    summary = traffic.stop()
    assert killed
    assert (result.outcome, result.step, result.stable_version) == ("rolled_back", 50, "1")
    assert "requests failed" in result.reason
    assert summary.failed == 0, summary.failures
    assert summary.ok == summary.sent > 0


def test_a_killed_stable_version_is_restarted_and_no_request_fails(
    serving: LocalServing, artifacts: dict[str, Path]
) -> None:
    router = LocalTarget(serving, "tiny").begin("1", str(artifacts["1"]))
    before = serving.find("predictor", "tiny", "1")
    with Watchdog(serving) as watchdog, Traffic(router.url, "tiny", tiny_rows(50), rate=50) as traffic:
        _wait(lambda: traffic.summary().ok > 20)
        os.kill(before.pid, signal.SIGKILL)
        _wait(lambda: bool(watchdog.restarts))
        answered = traffic.summary().ok
        _wait(lambda: traffic.summary().ok > answered + 100)
    summary = traffic.stop()
    assert watchdog.restarts == ["predictor/tiny/1"]
    assert serving.find("predictor", "tiny", "1").pid != before.pid
    assert serving.find("predictor", "tiny", "1").http_port == before.http_port
    assert (summary.failed, summary.failures) == (0, ())


def test_an_artifact_that_is_corrupt_never_gets_traffic(
    serving: LocalServing, artifacts: dict[str, Path], tmp_path: Path
) -> None:
    import shutil

    target = LocalTarget(serving, "tiny")
    target.begin("1", str(artifacts["1"]))
    broken = tmp_path / "broken"
    shutil.copytree(artifacts["2"], broken)
    (broken / "model" / "ridge.json").write_text("{}")
    result = run_rollout(target, PLAN, version="2", artifact=str(broken), history=History(tmp_path / "history.jsonl"))
    assert result.outcome == "rolled_back"
    assert "ridge.json" in result.reason
    assert (target.stable_version, target.canary_version) == ("1", "")
    assert [e.key for e in serving.running()] == ["predictor/tiny/1", "router/tiny"]


def _wait(condition: object, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
