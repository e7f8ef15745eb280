"""A rollout on a cluster, put together: client, lease, record, target, history."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from components.cluster_names import base_name
from components.errors import ArthaflowError, ConfigurationError
from components.rollout.archive import Archive, open_archive
from components.rollout.clock import Clock, SystemClock
from components.rollout.course import Judge, Rollout
from components.rollout.history import KeptHistory
from components.rollout.judge import judge as judge_windows
from components.rollout.plan import RolloutPlan
from components.rollout.state import RolloutState
from components.rollout.targets import knative, standard
from components.rollout.targets.cluster import WindowSource
from components.rollout.targets.guarded import Guarded
from components.rollout.targets.kube import ApiServer, KubeClient
from components.rollout.targets.lease import Lease, LeasedClock, process_identity
from components.rollout.targets.names import service_name
from components.rollout.targets.prometheus import Prometheus
from components.rollout.targets.record import ClusterMemory

Mode = Literal["Standard", "Knative"]
RUN_LEASE_S = 900.0
"""Lease of a pipeline run: its tasks renew it, and between two of them a pod may have to wait for a node."""


@dataclass(frozen=True)
class Site:
    """Where a model is served, and what a rollout of it needs there.

    Attributes
    ----------
    model : str
        Name in the catalogue.
    namespace : str
        Of the chart's release.
    mode : str
        ``Standard`` or ``Knative``, as the chart's.
    prometheus : str
        URL; not needed to look or to take back.
    kube, source, archive, clock : optional
        The real ones by default.
    ready_timeout_s, route_timeout_s, drain_s : float
        See :class:`~components.rollout.targets.cluster.ClusterTarget`.
    """

    model: str
    namespace: str = "arthaflow"
    mode: Mode = "Standard"
    prometheus: str = ""
    kube: KubeClient | None = None
    source: WindowSource | None = None
    archive: Archive | None = None
    clock: Clock | None = None
    ready_timeout_s: float = 900.0
    route_timeout_s: float = 60.0
    drain_s: float = 15.0

    def __post_init__(self) -> None:
        if self.mode not in ("Standard", "Knative"):
            raise ConfigurationError(f"The deployment mode {self.mode!r} is unknown.", "Use Standard or Knative.")

    @property
    def base(self) -> str:
        """The model's name on the cluster."""
        return base_name(self.model)

    def connect(self) -> Site:
        """Return the site with a client and a clock."""
        clock = self.clock or SystemClock()
        return replace(self, clock=clock, kube=self.kube or ApiServer(self.namespace, clock=clock))

    def memory(self, kube: KubeClient) -> ClusterMemory:
        """Return the record of this model's rollouts."""
        first = standard.first_state if self.mode == "Standard" else knative.first_state
        return ClusterMemory(kube, self.base, lambda: first(kube, self.model))


@dataclass
class Driver:
    """A rollout and the lease that it is driven under."""

    rollout: Rollout
    lease: Lease

    @property
    def history(self) -> KeptHistory:
        """The history."""
        assert isinstance(self.rollout.history, KeptHistory)
        return self.rollout.history

    @property
    def state(self) -> RolloutState:
        """What is recorded."""
        return self.rollout.memory.read()


def take_over(
    site: Site,
    version: str,
    artifact: str,
    plan: RolloutPlan,
    *,
    run_id: str = "",
    on_promote: Callable[[str], None] | None = None,
    on_event: Callable[[dict[str, Any]], None] | None = None,
    judge: Judge = judge_windows,
    force: bool = False,
) -> Driver:
    """Take the model's lease and return the rollout of a version, wherever it stands.

    Parameters
    ----------
    version, artifact : str
        What to roll out, and the address that KServe fetches it from; both empty for what the record names.
    plan : RolloutPlan
        For a rollout that begins; see :func:`components.rollout.engine.run_rollout` for the rest.
    run_id : str
        Id of the pipeline run; empty for one that this process drives alone.
    force : bool
        Take the lease from whoever holds it.

    Raises
    ------
    RolloutBusy
        If another rollout of the model is being driven.
    ConfigurationError
        If KServe could not fetch the artifact, or Kubernetes not name the version.
    """
    site = site.connect()
    if version:
        service_name(site.base, version)
        _check_artifact(artifact)
    lease = lease_of(site, run_id)
    lease.acquire(force)
    try:
        rollout = _assemble(site, lease, version, artifact, plan, run_id, on_promote, on_event, judge)
    except ArthaflowError:
        lease.release()
        raise
    return Driver(rollout, lease)


def _assemble(
    site: Site,
    lease: Lease,
    version: str,
    artifact: str,
    plan: RolloutPlan,
    run_id: str,
    on_promote: Callable[[str], None] | None,
    on_event: Callable[[dict[str, Any]], None] | None,
    judge: Judge,
) -> Rollout:
    assert site.kube is not None
    assert site.clock is not None
    kube, clock = Guarded(site.kube, lease), LeasedClock(site.clock, lease)
    memory = site.memory(kube)
    state = memory.read()
    version, artifact = version or state.version, artifact or state.canary_artifact or state.stable_artifact
    same = (state.history and state.version == version) or state.run_id == run_id != ""
    key = state.history if same else _new_key(site.model, version, run_id, clock)

    def note(words: str) -> None:
        if on_event is not None:
            on_event({"event": "note", "time": clock.now(), "version": version, "reason": words})

    kind = standard.StandardTarget if site.mode == "Standard" else knative.KnativeTarget
    target = kind(
        kube,
        site.model,
        memory,
        site.source or Prometheus(site.prometheus),
        ready_timeout_s=site.ready_timeout_s,
        route_timeout_s=site.route_timeout_s,
        drain_s=site.drain_s,
        clock=clock,
        note=note,
    )
    history = KeptHistory(site.archive or open_archive(), key, note)
    driver, place = run_id or lease.holder, site.namespace
    return Rollout(target, plan, version, artifact, history, memory, clock, judge, on_promote, on_event, driver, place)


def lease_of(site: Site, run_id: str) -> Lease:
    """Return the lease of a connected site's model, as a pipeline run or as this process holds it."""
    assert site.kube is not None
    if run_id:
        return Lease(site.kube, site.base, run_id, RUN_LEASE_S, site.clock)
    return Lease(site.kube, site.base, process_identity(), clock=site.clock)


def _new_key(model: str, version: str, run_id: str, clock: Clock) -> str:
    stamp = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y%m%dT%H%M%S")
    return f"{model}/{version}-{run_id or stamp}"


def _check_artifact(artifact: str) -> None:
    if "://" not in artifact:
        raise ConfigurationError(
            f"KServe cannot fetch the artifact {artifact!r}.",
            "Register the version with ARTHAFLOW_ARTIFACT_STORE=s3://bucket/prefix, or give --artifact s3://...",
        )
