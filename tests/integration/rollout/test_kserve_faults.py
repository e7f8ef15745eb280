"""What an API server does on a bad day: conflicts, watches with gaps, lost answers, late readiness, a silent gateway."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigurationError, ModelUnavailable
from components.rollout.interruption import ClusterUnavailable, Interrupted, LeaseLost
from components.rollout.metrics import WindowMetrics
from components.rollout.plan import RolloutPlan
from components.rollout.targets.kube import ApiServer, Conflict
from components.rollout.targets.lease import Lease
from tests.integration.rollout.fake_kubernetes import Fault
from tests.integration.rollout.kubernetes_fixture import Cluster, Impatient, Wire
from tests.integration.rollout.served import BASE, Steady, install
from tests.integration.rollout.test_kserve_rollout import MODES, label, roll, site_on, state, weights

PLAN = RolloutPlan(steps=(50, 100), soak_s=5, interval_s=5, max_wait_s=50)
BAD_DAYS = {
    "conflicts": [Fault(409, "PUT", times=5)],
    "conflicts on the record": [Fault(409, "PUT", "ConfigMap", times=8)],
    "conflicts on the route": [Fault(409, "PUT", "HTTPRoute", times=8)],
    "errors": [Fault(500, times=3), Fault(503, "PUT", times=2)],
    "too many requests": [Fault(429, times=4)],
    "no answers": [Fault("drop", times=4)],
    "answers lost after the deed": [Fault("lost", "POST", times=3), Fault("lost", "PUT", times=4)],
    "deletion's answer lost": [Fault("lost", "DELETE", times=2)],
    "watches forgotten": [Fault("gone", "WATCH", times=4)],
    "watches cut": [Fault("cut", "WATCH", times=4)],
    "watches dropped": [Fault("drop", "WATCH", times=4)],
}


@pytest.mark.parametrize("day", BAD_DAYS)
@pytest.mark.parametrize(("shift", "outcome", "serves"), [(1.0, "promoted", "2"), (1.5, "rolled_back", "1")])
def test_a_bad_day_changes_nothing_about_the_end(
    pretended: Cluster, tmp_path: Path, day: str, shift: float, outcome: str, serves: str
) -> None:
    assert pretended.fake is not None
    install(pretended.api(), "Standard")
    pretended.behaviour.ready_after_s = 0.1 if "watches" in day else 0.005
    pretended.fake.faults += [replace(fault) for fault in BAD_DAYS[day]]
    result = roll(site_on(Wire(pretended), "Standard", tmp_path, Steady(shift, 400)), plan=PLAN)
    assert (result.outcome, result.stable_version) == (outcome, serves), result.reason
    assert weights(pretended) == {f"{BASE}-v{serves}": 100}
    assert [v for v in "12" if label(pretended, f"{BASE}-v{v}")] == [serves]
    assert pretended.broken == []
    assert any(
        fault.times < original.times for fault, original in zip(pretended.fake.faults, BAD_DAYS[day], strict=True)
    )


@MODES
def test_late_readiness_is_waited_for(pretended: Cluster, tmp_path: Path, mode: str) -> None:
    install(pretended.api(), mode)
    pretended.behaviour.ready_after_s = 1.5
    assert roll(site_on(Wire(pretended), mode, tmp_path, Steady(requests=400)), plan=PLAN).outcome == "promoted"
    assert pretended.broken == []


def test_a_server_that_is_away_interrupts_and_the_same_rollout_goes_on(pretended: Cluster, tmp_path: Path) -> None:
    assert pretended.fake is not None
    install(pretended.api(), "Standard")
    away = [Fault(500, times=1000)]

    def outage(event: dict[str, Any]) -> None:
        if event["event"] == "step" and event["step"] == 100 and away:
            pretended.fake.faults.append(away.pop())  # type: ignore[union-attr]

    site = site_on(Wire(pretended), "Standard", tmp_path, Steady(requests=400))
    with pytest.raises(Interrupted):
        roll(site, plan=PLAN, on_event=outage)
    pretended.fake.faults.clear()
    assert (state(pretended)["phase"], state(pretended)["percent"]) == ("step", "100")
    assert weights(pretended) == {f"{BASE}-v1": 0, f"{BASE}-v2": 100}
    assert roll(site, plan=PLAN).outcome == "promoted"
    assert pretended.broken == []


def test_a_gateway_that_reports_nothing_is_noted_and_not_waited_for_for_ever(
    pretended: Cluster, tmp_path: Path
) -> None:
    install(pretended.api(), "Standard")
    pretended.behaviour.gateway = "silent"
    found = pretended.fake.objects[("HTTPRoute", BASE)]  # type: ignore[union-attr]
    found.pop("status", None)
    notes: list[dict[str, Any]] = []
    site = replace(site_on(Wire(pretended), "Standard", tmp_path, Steady(requests=400)), route_timeout_s=1.0)
    result = roll(site, plan=PLAN, on_event=notes.append)
    assert result.outcome == "promoted"
    said = [n["reason"] for n in notes if n["event"] == "note"]
    assert len(said) == 1
    assert "going on without its word" in said[0]


def test_a_gateway_that_refuses_the_route_gives_the_canary_nothing(pretended: Cluster, tmp_path: Path) -> None:
    install(pretended.api(), "Standard")
    pretended.behaviour.gateway = "refuses"
    site = replace(site_on(Wire(pretended), "Standard", tmp_path, Steady(requests=400)), route_timeout_s=1.0)
    with pytest.raises(Interrupted, match=r"Version 2 is still there: .*NotAllowedByListeners"):
        roll(site, plan=PLAN)
    assert state(pretended)["phase"] == "rolling_back"
    pretended.behaviour.gateway = "accepts"
    api = pretended.api()
    found = api.get("HTTPRoute", BASE)
    assert found is not None
    api.replace({**found, "metadata": {**found["metadata"], "labels": {"corrected": "yes"}}})
    assert roll(site, plan=PLAN).outcome == "rolled_back"
    assert label(pretended, f"{BASE}-v2") is None
    assert pretended.broken == []


class _Blind(Steady):
    away = 3

    def window(self, model: str, version: str, since: float, until: float) -> WindowMetrics:
        if self.away:
            self.away -= 1
            raise ModelUnavailable("Prometheus does not answer.")
        return super().window(model, version, since, until)


@pytest.mark.parametrize(("away", "outcome"), [(3, "promoted"), (10_000, "rolled_back")])
def test_a_prometheus_that_is_away_is_waited_for(pretended: Cluster, tmp_path: Path, away: int, outcome: str) -> None:
    install(pretended.api(), "Standard")
    steady = _Blind(requests=400)
    steady.away = away
    result = roll(site_on(Wire(pretended), "Standard", tmp_path, steady), plan=PLAN)
    assert result.outcome == outcome
    assert sum(e["event"] == "blind" for e in result.events) == (3 if away == 3 else 10)


def test_a_lease_is_kept_lost_and_found(pretended: Cluster) -> None:
    assert pretended.fake is not None
    clock = Steady()
    mine, other = (Lease(pretended.api(), BASE, who, 60.0, clock) for who in ("mine", "other"))
    mine.acquire()
    mine.acquire()
    clock.skipped += 40
    mine.hold()
    clock.skipped += 40
    with pytest.raises(Interrupted, match="driven by mine"):
        other.acquire()
    clock.skipped += 61
    other.acquire()
    with pytest.raises(LeaseLost, match="belongs to other now"):
        mine.hold()
    mine.release()  # not ours: stays
    other.release()
    mine.acquire()
    pretended.fake.faults.append(Fault(500, times=10_000))
    clock.skipped += 30
    mine.hold()  # cannot be renewed, and is ours for a while
    clock.skipped += 31
    with pytest.raises(LeaseLost, match="could not be renewed in time"):
        mine.hold()


def test_a_dead_process_of_this_machine_holds_nothing(pretended: Cluster) -> None:
    import socket
    import subprocess
    import sys

    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    Lease(pretended.api(), BASE, f"{socket.gethostname()}/{done.pid}", 600.0, Steady()).acquire()
    Lease(pretended.api(), BASE, "next", 60.0, Steady()).acquire()


def test_a_cluster_that_is_gone_or_does_not_know_kserve_is_named(pretended: Cluster) -> None:
    from kubernetes.client import ApiClient, Configuration

    configuration = Configuration()
    configuration.retries, configuration.host = False, "http://127.0.0.1:9"
    with pytest.raises(ClusterUnavailable, match=r"API server at http://127\.0\.0\.1:9 does not answer"):
        ApiServer("ml", ApiClient(configuration), Impatient()).get("HTTPRoute", "x")
    configuration.host = f"{pretended.fake.url}/elsewhere"  # type: ignore[union-attr]
    with pytest.raises(ConfigurationError, match="does not know InferenceService"):
        ApiServer("ml", ApiClient(configuration), Impatient()).get("InferenceService", "x")


def test_a_stale_write_is_refused(pretended: Cluster) -> None:
    api = pretended.api()
    install(api, "Standard")
    route = api.get("HTTPRoute", BASE)
    assert route is not None
    api.replace({**route, "metadata": {**route["metadata"], "labels": {"a": "b"}}})
    with pytest.raises(Conflict):
        api.replace(route)
