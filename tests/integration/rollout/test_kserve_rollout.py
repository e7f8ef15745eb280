"""Rollouts on KServe: promoted, rolled back, held, killed anywhere and resumed, two at once; fake and real API server."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from components.errors import ArthaflowError, ConfigurationError, ModelUnavailable
from components.rollout.archive import FolderArchive
from components.rollout.cluster import Site, take_over
from components.rollout.course import RolloutResult
from components.rollout.engine import drive
from components.rollout.history import replay_events
from components.rollout.interruption import LeaseLost, RolloutBusy, RolloutUnfinished
from components.rollout.plan import RolloutPlan
from components.rollout.targets.names import VERSION_LABEL
from components.rollout.targets.routes import shares
from components.rollout.targets.services import artifact_of
from tests.integration.rollout.kubernetes_fixture import Cluster, Killed, Wire
from tests.integration.rollout.served import BASE, MODEL, Steady, artifact, install

PLAN = RolloutPlan(soak_s=60, interval_s=20, max_wait_s=200)
SHORT = RolloutPlan(steps=(50, 100), soak_s=5, interval_s=5, max_wait_s=50)
MODES = pytest.mark.parametrize("mode", ["Standard", "Knative"])


def site_on(wire: Wire, mode: str, folder: Path, steady: Steady) -> Site:
    return Site(
        MODEL,
        "ml",
        mode,  # type: ignore[arg-type]
        kube=wire,
        source=steady,
        archive=FolderArchive(folder),
        clock=steady,
        ready_timeout_s=20.0,
        route_timeout_s=10.0,
    )


def roll(site: Site, version: str = "2", plan: RolloutPlan = PLAN, **more: Any) -> RolloutResult:
    driver = take_over(site, version, artifact(version), plan, **more)
    try:
        return drive(driver.rollout)
    finally:
        driver.lease.release()


def weights(cluster: Cluster) -> dict[str, int]:
    found = cluster.api().get("HTTPRoute", BASE)
    assert found is not None
    return shares(found)


def state(cluster: Cluster) -> dict[str, str]:
    found = cluster.api().get("ConfigMap", f"{BASE}-rollout")
    return dict(found["data"]) if found else {}


def label(cluster: Cluster, name: str) -> str | None:
    found = cluster.api().get("InferenceService", name)
    return found["metadata"]["labels"][VERSION_LABEL] if found else None


def test_a_good_version_is_promoted_in_an_order_that_never_leaves_the_route_alone(
    kubernetes: Cluster, tmp_path: Path
) -> None:
    install(kubernetes.api(), "Standard")
    wire, promoted = Wire(kubernetes), []
    result = roll(
        site_on(wire, "Standard", tmp_path, Steady()), on_promote=lambda v: promoted.append((v, len(wire.writes)))
    )
    assert (result.outcome, result.stable_version, result.step) == ("promoted", "2", 100), result.reason
    memory, detector = ("replace", "ConfigMap", f"{BASE}-rollout"), ("replace", "InferenceService", f"{BASE}-detector")
    split = ("replace", "HTTPRoute", BASE)
    assert wire.writes == [
        ("create", "ConfigMap", f"{BASE}-rollout"),
        ("create", "InferenceService", f"{BASE}-v2"),
        split,  # known to the route, at 0 %
        memory,
        *[memory, split, memory, memory] * 3,  # meant, done, in force since, decided
        memory,  # promoting
        split,  # to the canary alone
        memory,  # stable is 2: the point of no return
        detector,
        ("delete", "InferenceService", f"{BASE}-v1"),
        memory,
    ]
    assert promoted == [("2", len(wire.writes) - 2)]  # after the detector, before the old version goes
    assert kubernetes.broken == []
    assert weights(kubernetes) == {f"{BASE}-v2": 100}
    assert (label(kubernetes, f"{BASE}-v2"), label(kubernetes, f"{BASE}-v1")) == ("2", None)
    assert {k: v for k, v in state(kubernetes).items() if k != "reason"} == {
        "stable": "2",
        "stable_artifact": artifact("2"),
        "phase": "idle",
        "run_id": state(kubernetes)["run_id"],
        "history": state(kubernetes)["history"],
    }
    watching = kubernetes.api().get("InferenceService", f"{BASE}-detector")
    assert watching is not None
    assert artifact_of(watching) == artifact("2")


def test_a_bad_version_is_rolled_back_route_first(kubernetes: Cluster, tmp_path: Path) -> None:
    install(kubernetes.api(), "Standard")
    wire = Wire(kubernetes)
    result = roll(site_on(wire, "Standard", tmp_path, Steady(shift=1.5)), on_promote=lambda v: pytest.fail("promoted"))
    assert (result.outcome, result.step, result.stable_version) == ("rolled_back", 10, "1")
    assert "100% of the predictions moved" in result.reason
    assert [c for c in wire.writes if c[1] != "ConfigMap"][-2:] == [
        ("replace", "HTTPRoute", BASE),
        ("delete", "InferenceService", f"{BASE}-v2"),
    ]
    assert kubernetes.broken == []
    assert weights(kubernetes) == {f"{BASE}-v1": 100}
    assert label(kubernetes, f"{BASE}-v2") is None
    assert state(kubernetes)["phase"] == "idle"


@MODES
def test_too_little_traffic_rolls_back_or_holds(kubernetes: Cluster, tmp_path: Path, mode: str) -> None:
    install(kubernetes.api(), mode)
    steady = Steady(requests=5)
    site = site_on(Wire(kubernetes), mode, tmp_path, steady)
    held = roll(site, plan=replace(PLAN, on_inconclusive="hold"))
    assert (held.outcome, held.step, held.stable_version) == ("held", 10, "1")
    assert state(kubernetes)["phase"] == "held"
    with pytest.raises(RolloutUnfinished, match=r"version 2 .* has not ended \(it is held at 10 %\).*abort"):
        roll(site, "3")
    steady.requests = 500
    again = roll(site, run_id="another")  # a person looked, and has it judged again
    assert (again.outcome, again.stable_version) == ("promoted", "2")
    steady.requests = 5
    back = roll(replace(site, source=Steady(requests=5)), "3")
    assert (back.outcome, back.stable_version) == ("rolled_back", "2")
    assert kubernetes.broken == []


@MODES
def test_a_version_that_never_gets_ready_gets_no_traffic(kubernetes: Cluster, tmp_path: Path, mode: str) -> None:
    install(kubernetes.api(), mode)
    kubernetes.behaviour.never_ready |= {f"{BASE}-v2", "2"}
    site = replace(site_on(Wire(kubernetes), mode, tmp_path, Steady()), ready_timeout_s=1.0)
    result = roll(site)
    assert (result.outcome, result.step, result.stable_version) == ("rolled_back", 0, "1")
    assert "was not ready within 1 s" in result.reason
    assert "golden requests failed" in result.reason
    assert kubernetes.broken == []
    if mode == "Standard":
        assert label(kubernetes, f"{BASE}-v2") is None


def test_knative_mode_moves_the_percentage(kubernetes: Cluster, tmp_path: Path) -> None:
    install(kubernetes.api(), "Knative")
    site = site_on(Wire(kubernetes), "Knative", tmp_path, Steady())
    seen: list[tuple[int | None, str, str]] = []

    def note(event: dict[str, Any]) -> None:
        found = kubernetes.api().get("InferenceService", BASE)
        if event["event"] in ("deployed", "step", "promoted", "rolled_back") and found:
            explainer = found["spec"]["explainer"]["containers"][0]["env"][0]["value"]
            seen.append((found["spec"]["predictor"].get("canaryTrafficPercent"), artifact_of(found), explainer))

    assert roll(site, on_event=note).outcome == "promoted"
    one, two = artifact("1"), artifact("2")
    assert seen == [(0, two, one), (10, two, one), (50, two, one), (100, two, one), (None, two, two)]
    seen.clear()
    bad = replace(site, source=_Shifted())
    assert roll(bad, "3", on_event=note).outcome == "rolled_back"
    assert [s[0] for s in seen] == [0, 10, 0]
    assert (state(kubernetes)["stable"], "canary" in state(kubernetes)) == ("2", False)
    assert kubernetes.broken == []


class _Shifted(Steady):
    def window(self, model: str, version: str, since: float, until: float) -> Any:
        self.shift = 1.5 if version == "3" else 1.0
        return super().window(model, "2" if version == "3" else "1", since, until)


@dataclass
class Remembering:
    """An archive in memory: a history is kept for each of many rollouts."""

    kept: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def append(self, key: str, number: int, event: dict[str, Any]) -> None:
        assert len(self.kept.setdefault(key, [])) == number
        self.kept[key].append(event)

    def read(self, key: str) -> list[dict[str, Any]]:
        return list(self.kept.get(key, []))

    def keys(self, model: str) -> list[str]:
        return sorted(key for key in self.kept if key.startswith(model))


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("shift", [1.0, 1.5], ids=["promote", "rollback"])
@MODES
def test_killed_at_any_call_and_started_again_it_ends_the_same(
    kubernetes: Cluster, tmp_path: Path, mode: str, shift: float, after: bool
) -> None:
    """The whole rollout, once for each API call that it makes, dying at that call."""
    survived, died = 0, True
    for number in itertools.count(1):
        _wipe(kubernetes)
        install(kubernetes.api(), mode)
        steady, archive, aliases = Steady(shift, 400), Remembering(), []
        dying = Wire(kubernetes, number, after)
        site = replace(site_on(dying, mode, tmp_path, steady), archive=archive, drain_s=1.0)
        died = roll_and_die(site, aliases)
        if died:
            survived += 1
            again = replace(site, kube=Wire(kubernetes))
            if state(kubernetes).get("stable") != "2" or state(kubernetes)["phase"] != "idle":  # it died before the end
                last = roll(again, plan=SHORT, on_promote=aliases.append).outcome
                assert last == ("promoted" if shift == 1.0 else "rolled_back"), number
        _no_decided_soak_was_repeated(archive)
        _is_settled(kubernetes, mode, "2" if shift == 1.0 else "1")
        assert set(aliases) == ({"2"} if shift == 1.0 else set())
        assert kubernetes.broken == [], number
        if not died:
            break
    assert survived > 25


def roll_and_die(site: Site, aliases: list[str]) -> bool:
    """A rollout whose process may die: then nobody releases its lease. Returns whether it did."""
    try:
        driver = take_over(site, "2", artifact("2"), SHORT, on_promote=aliases.append)
        drive(driver.rollout)
        driver.lease.release()
    except Killed:
        return True
    return False


def _no_decided_soak_was_repeated(archive: Remembering) -> None:
    for key in archive.keys(MODEL):
        judged = [e for e in archive.read(key) if e["event"] == "judged"]
        ends = [e["step"] for e in judged if e["action"] != "wait"]
        assert len(ends) == len(set(ends)), ends
        assert all(r.identical for r in replay_events(archive.read(key)))


def _is_settled(cluster: Cluster, mode: str, version: str) -> None:
    assert state(cluster)["stable"] == version
    assert state(cluster).get("phase") == "idle"
    assert "canary" not in state(cluster)
    assert "retiring" not in state(cluster)
    if mode == "Standard":
        assert weights(cluster) == {f"{BASE}-v{version}": 100}
        assert [v for v in "12" if label(cluster, f"{BASE}-v{v}")] == [version]
    else:
        found = cluster.api().get("InferenceService", BASE)
        assert found is not None
        assert found["spec"]["predictor"].get("canaryTrafficPercent") == (None if version == "2" else 0)


def _wipe(cluster: Cluster) -> None:
    api = cluster.api()
    for kind, names in {
        "HTTPRoute": [BASE],
        "InferenceService": [BASE, f"{BASE}-v1", f"{BASE}-v2", f"{BASE}-detector"],
        "ConfigMap": [f"{BASE}-rollout"],
        "Lease": [f"{BASE}-rollout"],
    }.items():
        for name in names:
            api.delete(kind, name)


def test_a_second_rollout_is_told_who_drives_the_first(kubernetes: Cluster, tmp_path: Path) -> None:
    install(kubernetes.api(), "Standard")
    steady = Steady()
    site = site_on(Wire(kubernetes), "Standard", tmp_path, steady)
    first = take_over(site, "2", artifact("2"), PLAN, run_id="run-a")
    assert first.rollout.prepare().action == "advance"
    with pytest.raises(RolloutBusy, match="driven by run-a"):
        take_over(site, "3", artifact("3"), PLAN, run_id="run-b")
    steady.skipped += 2000  # its lease has ended, but its canary stands
    with pytest.raises(RolloutUnfinished, match="arthaflow rollout abort"):
        roll(site, "3", run_id="run-b")
    result = roll(site, run_id="run-c")  # the same version: taken over, and finished
    assert (result.outcome, result.stable_version) == ("promoted", "2")
    assert kubernetes.broken == []


def test_who_lost_the_lease_touches_nothing_more(kubernetes: Cluster, tmp_path: Path) -> None:
    install(kubernetes.api(), "Standard")
    wire, steady = Wire(kubernetes), Steady()
    first = take_over(site_on(wire, "Standard", tmp_path, steady), "2", artifact("2"), PLAN, run_id="run-a")
    assert first.rollout.prepare().action == "advance"
    take_over(site_on(Wire(kubernetes), "Standard", tmp_path, steady), "", "", PLAN, run_id="abort", force=True)
    before = len(wire.writes)
    steady.skipped += 400
    with pytest.raises(LeaseLost, match="belongs to abort now"):
        first.rollout.step(10)
    assert len(wire.writes) == before


def test_the_canary_is_a_copy_of_what_serves(kubernetes: Cluster, tmp_path: Path) -> None:
    install(kubernetes.api(), "Standard")
    driver = take_over(site_on(Wire(kubernetes), "Standard", tmp_path, Steady()), "2", artifact("2"), PLAN)
    driver.rollout.prepare()
    one, two = (kubernetes.api().get("InferenceService", f"{BASE}-v{v}") for v in "12")
    assert one is not None
    assert two is not None
    assert two["spec"]["predictor"]["minReplicas"] == 2
    assert "--model_version=2" in two["spec"]["predictor"]["containers"][0]["args"]
    assert two["metadata"]["annotations"]["meta.helm.sh/release-name"] == "af"
    assert (two["metadata"]["labels"][VERSION_LABEL], two["metadata"]["annotations"][VERSION_LABEL]) == ("2", "2")
    assert repr(two["spec"]).replace("run2", "run1").replace("version=2", "version=1") == repr(one["spec"])
    found = kubernetes.api().get("HTTPRoute", BASE)
    assert found is not None
    backends = [[(b["name"], b["weight"]) for b in rule["backendRefs"]] for rule in found["spec"]["rules"]]
    assert backends == [
        [(f"{BASE}-v2-predictor", 1)],  # with the header, whatever the split
        [(f"{BASE}-v2-explainer", 1)],
        [(f"{BASE}-v1-explainer", 1)],
        [(f"{BASE}-v1-predictor", 100), (f"{BASE}-v2-predictor", 0)],
    ]


def test_nothing_that_serves_is_an_error_with_the_way_out(kubernetes: Cluster, tmp_path: Path) -> None:
    for mode in ("Standard", "Knative"):
        with pytest.raises(ModelUnavailable, match=r"No version of price_forecast is served .* `arthaflow values"):
            roll(site_on(Wire(kubernetes), mode, tmp_path, Steady()))


@pytest.mark.parametrize("version", ["2.0", "x" * 40, "ü"])
def test_a_version_that_kubernetes_cannot_name_is_refused(pretended: Cluster, tmp_path: Path, version: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be the name"):
        roll(site_on(Wire(pretended), "Standard", tmp_path, Steady()), version)


def test_a_registry_that_refuses_leaves_a_promotion_that_can_be_finished(kubernetes: Cluster, tmp_path: Path) -> None:
    install(kubernetes.api(), "Standard")

    def refuse(version: str) -> None:
        raise ArthaflowError(f"The registry is away while {version} becomes production.")

    site = site_on(Wire(kubernetes), "Standard", tmp_path, Steady())
    with pytest.raises(ArthaflowError, match="registry is away"):
        roll(site, on_promote=refuse)
    assert (state(kubernetes)["phase"], state(kubernetes)["stable"], state(kubernetes)["retiring"]) == (
        "promoting",
        "2",
        "1",
    )
    aliases: list[str] = []
    assert roll(site, on_promote=aliases.append).outcome == "promoted"
    assert (aliases, label(kubernetes, f"{BASE}-v1")) == (["2"], None)
