"""An experiment on KServe: the treatment beside the control at weight 0, reached by header only, and held against rollouts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.errors import ConfigurationError
from components.experiments.design import Design
from components.experiments.metric import named
from components.rollout.archive import FolderArchive
from components.rollout.cluster import Site
from components.rollout.plan import RolloutPlan
from components.rollout.targets.routes import shares
from components.rollout.tenancy import CanaryHeld
from pipelines.ab_tests import serve_both_on_cluster, serve_control_on_cluster
from tests.integration.rollout.kubernetes_fixture import Cluster, Wire
from tests.integration.rollout.served import BASE, MODEL, Steady, artifact, install
from tests.integration.rollout.test_kserve_rollout import roll, state

SHORT = RolloutPlan(steps=(50, 100), soak_s=5, interval_s=5, max_wait_s=50)


def site_on(cluster: Cluster, folder: Path, mode: str = "Standard") -> Site:
    steady = Steady()
    return Site(
        MODEL, "ml", mode, kube=Wire(cluster), source=steady, archive=FolderArchive(folder), clock=steady,  # type: ignore[arg-type]
        ready_timeout_s=20.0, route_timeout_s=10.0,
    )  # fmt: skip


def design(name: str = "pf_v2", treatment: str = "v2", control: str = "1") -> Design:
    now = datetime.now(UTC)
    versions, halves = {"control": control, "treatment": treatment}, {"control": 0.5, "treatment": 0.5}
    return Design(name, MODEL, versions, halves, (named("accuracy", "primary"),), now, now + timedelta(days=14))


def forced(cluster: Cluster) -> list[str]:
    """Backends of the rules that a request meets which asks for the canary."""
    route = cluster.api().get("HTTPRoute", BASE)
    assert route is not None
    rules = [r for r in route["spec"]["rules"] if any(m.get("headers") for m in r.get("matches") or [])]
    return sorted({b["name"] for r in rules for b in r["backendRefs"]})


def test_the_treatment_is_served_by_header_only_and_held(kubernetes: Cluster, tmp_path: Path) -> None:
    install(kubernetes.api(), "Standard")
    site = site_on(kubernetes, tmp_path)
    assert serve_both_on_cluster(site, design(), artifact("2")) == "2"
    assert serve_both_on_cluster(site, design(), artifact("2")) == "2", "starting it again is the same as once"
    route = kubernetes.api().get("HTTPRoute", BASE)
    assert route is not None
    assert {name: share for name, share in shares(route).items() if share} == {f"{BASE}-v1": 100}
    assert f"{BASE}-v2-predictor" in forced(kubernetes)
    assert (state(kubernetes)["phase"], state(kubernetes)["reason"]) == ("held", "experiment pf_v2")

    with pytest.raises(CanaryHeld, match="pf_v2 holds version 2"):
        roll(site, "2", SHORT)
    with pytest.raises(CanaryHeld, match="experiments end pf_v2"):
        roll(site, "3", SHORT)
    with pytest.raises(CanaryHeld, match="pf_v2 holds version 2"):
        serve_both_on_cluster(site, design("second", "3"), artifact("3"))
    with pytest.raises(CanaryHeld, match="for another reason"):
        serve_control_on_cluster(site, design("another"))

    serve_control_on_cluster(site, design())
    serve_control_on_cluster(site, design())
    assert kubernetes.api().get("InferenceService", f"{BASE}-v2") is None
    assert (forced(kubernetes), state(kubernetes).get("phase")) == ([], "idle")
    assert roll(site, "2", SHORT).outcome == "promoted"
    assert kubernetes.broken == []


def test_what_cannot_be_held_is_refused_before_anything_changes(pretended: Cluster, tmp_path: Path) -> None:
    install(pretended.api(), "Standard")
    with pytest.raises(ConfigurationError, match="the control of pf_v2 is 7"):
        serve_both_on_cluster(site_on(pretended, tmp_path), design(control="7"), artifact("2"))
    with pytest.raises(ConfigurationError, match="Knative"):
        serve_both_on_cluster(site_on(pretended, tmp_path, "Knative"), design(), artifact("2"))
    assert pretended.api().get("InferenceService", f"{BASE}-v2") is None
