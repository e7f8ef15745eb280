"""The KServe target: two InferenceServices behind a weighted HTTPRoute (Standard), or one with revisions (Knative)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from components.errors import ModelUnavailable
from components.rollout.clock import Clock, SystemClock
from components.rollout.metrics import WindowMetrics
from components.rollout.targets.kserve_manifests import KServeSettings, http_route, inference_service, rollout_state
from components.rollout.targets.kube import KubeClient

ISVC = ("serving.kserve.io/v1beta1", "InferenceService")
POLL_S = 2.0


class WindowSource(Protocol):
    """Where windows come from on a cluster."""

    def window(self, model: str, version: str, since: float, until: float) -> WindowMetrics:
        """Return what one version did between two times."""
        ...


@dataclass
class KServeTarget:
    """One model on a cluster.

    Parameters
    ----------
    kube : KubeClient
        The API server.
    settings : KServeSettings
        Where and how it is served.
    source : WindowSource
        Metrics, for example :class:`components.rollout.targets.prometheus.Prometheus`.
    ready_timeout_s : float
        Longest start of a version, seconds.
    drain_s : float
        Time between taking a version's traffic and deleting it, seconds; Standard mode.
    clock : Clock
        For tests.
    """

    kube: KubeClient
    settings: KServeSettings
    source: WindowSource
    ready_timeout_s: float = 600.0
    drain_s: float = 15.0
    clock: Clock = field(default_factory=SystemClock)

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.settings.model

    @property
    def stable_version(self) -> str:
        """The version that serves."""
        return self._state().get("stable", "")

    @property
    def canary_version(self) -> str:
        """The version that is rolled out, or empty."""
        return self._state().get("canary", "")

    @property
    def _split_by_route(self) -> bool:
        return self.settings.mode == "Standard"

    def begin(self, version: str, artifact: str) -> None:
        """Serve the first version."""
        self._serve(version, artifact, None)
        if self._split_by_route:
            self.kube.apply(http_route(self.settings, version))
        self._remember({"stable": version, "stable_artifact": artifact})

    def deploy_canary(self, version: str, artifact: str) -> None:
        """Start a version without traffic and wait until it is ready; an unready one is taken away again."""
        state = {**self._state(), "canary": version, "canary_artifact": artifact}
        self._remember(state)  # first: a crash while it starts must not leave a service that nobody knows
        try:
            self._serve(version, artifact, None if self._split_by_route else 0)
        except ModelUnavailable:
            self.rollback()
            raise
        if self._split_by_route:
            self.kube.apply(http_route(self.settings, state["stable"], version, 0))

    def set_canary_weight(self, percent: int) -> None:
        """Split the traffic."""
        state = self._state()
        if self._split_by_route:
            self.kube.apply(http_route(self.settings, state["stable"], state["canary"], percent))
        else:
            self.kube.apply(
                inference_service(self.settings, state["canary"], state["canary_artifact"], canary_percent=percent)
            )

    def window(self, version: str, since: float, until: float) -> WindowMetrics:
        """Ask the metrics source."""
        return self.source.window(self.model, version, since, until)

    def promote(self) -> None:
        """Make the canary the stable version."""
        state = self._state()
        version, artifact = state["canary"], state["canary_artifact"]
        if self._split_by_route:
            self.kube.apply(http_route(self.settings, version))
            self._remember({"stable": version, "stable_artifact": artifact})
            self._remove(state["stable"])
        else:
            self.kube.apply(inference_service(self.settings, version, artifact))
            self._remember({"stable": version, "stable_artifact": artifact})

    def rollback(self) -> None:
        """Send all traffic to the stable version, and take the canary away.

        In Knative mode its revision keeps its smallest scale at 0 % until the next version replaces it: a revision
        cannot be taken back without making a third one.
        """
        state = self._state()
        canary = state.get("canary", "")
        if not canary:
            return
        if self._split_by_route:
            self.kube.apply(http_route(self.settings, state["stable"]))
            self._remove(canary)
        else:
            self.kube.apply(inference_service(self.settings, canary, state["canary_artifact"], canary_percent=0))
        self._remember({k: v for k, v in state.items() if k.startswith("stable")})

    def _serve(self, version: str, artifact: str, percent: int | None) -> None:
        name = self.settings.service_name(version)
        applied = self.kube.apply(inference_service(self.settings, version, artifact, percent))
        generation = applied["metadata"].get("generation", 0)
        deadline = self.clock.now() + self.ready_timeout_s
        said = "no status yet"
        while self.clock.now() < deadline:
            found = self.kube.get(*ISVC, name, self.settings.namespace) or {}
            ready, said = _readiness(found, generation)
            if ready:
                return
            self.clock.sleep(POLL_S)
        raise ModelUnavailable(
            f"InferenceService {name} was not ready within {self.ready_timeout_s:g} s: {said}.",
            f"See `kubectl -n {self.settings.namespace} describe inferenceservice {name}`.",
        )

    def _remove(self, version: str) -> None:
        self.clock.sleep(self.drain_s)  # gateways learn of a new route a little later, and requests are in flight
        self.kube.delete(*ISVC, self.settings.service_name(version), self.settings.namespace)

    def _state(self) -> dict[str, str]:
        found = self.kube.get("v1", "ConfigMap", self.settings.state_name, self.settings.namespace)
        return dict((found or {}).get("data") or {})

    def _remember(self, data: dict[str, str]) -> None:
        self.kube.apply(rollout_state(self.settings, data))


def _readiness(service: dict[str, Any], generation: int) -> tuple[bool, str]:
    """Return whether the newest revision is ready, and what the conditions say."""
    status = service.get("status") or {}
    if status.get("observedGeneration", generation) < generation:
        return False, "the controller has not seen the change yet"
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    wanted = ["Ready", "LatestDeploymentReady"] if "LatestDeploymentReady" in conditions else ["Ready"]
    predictor = (status.get("components") or {}).get("predictor") or {}
    created, ready = predictor.get("latestCreatedRevision"), predictor.get("latestReadyRevision")
    if created and created != ready:
        return False, f"revision {created} is not ready"
    for name in wanted:
        condition = conditions.get(name, {})
        if condition.get("status") != "True":
            return False, f"{name}: {condition.get('reason', 'unknown')} {condition.get('message', '')}".strip()
    return True, "ready"
