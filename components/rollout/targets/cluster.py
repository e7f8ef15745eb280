"""What both ways of serving on KServe share: versions from the record, waiting for readiness, the detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from components.cluster_names import base_name
from components.errors import ModelUnavailable
from components.rollout.clock import Clock, SystemClock
from components.rollout.interruption import Blind
from components.rollout.metrics import WindowMetrics
from components.rollout.state import Memory, RolloutState
from components.rollout.targets.kube import KubeClient, Object, change
from components.rollout.targets.services import readiness, repoint
from components.rollout.targets.waiting import wait_for

ISVC = "InferenceService"


class WindowSource(Protocol):
    """Where windows come from on a cluster."""

    def window(self, model: str, version: str, since: float, until: float) -> WindowMetrics:
        """Return what one version did between two times."""
        ...


@dataclass
class ClusterTarget:
    """One model on a cluster.

    Parameters
    ----------
    kube : KubeClient
        The API server.
    model : str
        Name in the catalogue.
    memory : Memory
        The recorded state.
    source : WindowSource
        Metrics, for example :class:`components.rollout.targets.prometheus.Prometheus`.
    ready_timeout_s : float
        Longest start of a version, seconds.
    route_timeout_s : float
        Longest wait for a gateway to report on a changed route, seconds.
    drain_s : float
        Time between taking a version's traffic and deleting it, seconds.
    clock : Clock
        For tests.
    note : callable
        Told what a person should know and what stops nothing.
    """

    kube: KubeClient
    model: str
    memory: Memory
    source: WindowSource
    ready_timeout_s: float = 900.0
    route_timeout_s: float = 60.0
    drain_s: float = 15.0
    clock: Clock = field(default_factory=SystemClock)
    note: Callable[[str], None] = lambda words: None

    @property
    def base(self) -> str:
        """The model's name on the cluster."""
        return base_name(self.model)

    @property
    def stable_version(self) -> str:
        """The version that serves."""
        return self.memory.read().stable

    @property
    def canary_version(self) -> str:
        """The version that is rolled out, or empty."""
        return self.memory.read().canary

    def window(self, version: str, since: float, until: float) -> WindowMetrics:
        """Ask the metrics source; that it does not answer is no fault of the version."""
        try:
            return self.source.window(self.model, version, since, until)
        except ModelUnavailable as error:
            raise Blind(error.problem, error.remedy) from error

    def live(self, name: str) -> Object:
        """Return an InferenceService that must be there.

        Raises
        ------
        ModelUnavailable
            If it is not.
        """
        found = self.kube.get(ISVC, name)
        if found is None:
            raise ModelUnavailable(
                f"InferenceService {name} is not in namespace {self.kube.namespace}.",
                f"Serve the model first: `arthaflow values {self.model} --version V` prints the chart's values.",
            )
        return found

    def wait_ready(self, name: str, generation: int = 0) -> None:
        """Wait until an InferenceService's newest revision is ready.

        Raises
        ------
        ModelUnavailable
            If it is not in time; the message has what its conditions say.
        """
        waited = wait_for(
            self.kube, ISVC, name, lambda found: readiness(found, generation), self.ready_timeout_s, self.clock
        )
        if not waited.done:
            raise ModelUnavailable(
                f"InferenceService {name} was not ready within {self.ready_timeout_s:g} s: {waited.said}.",
                f"See `kubectl -n {self.kube.namespace} describe inferenceservice {name}`.",
            )

    def drain(self) -> None:
        """Wait: gateways learn of new weights a little later than they say, and requests are in flight."""
        self.clock.sleep(self.drain_s)

    def switch(self) -> RolloutState:
        """Record that the canary is the stable version now: from here on there is no way back, only forward."""
        return self.memory.update(
            lambda s: (
                replace(
                    s,
                    stable=s.canary,
                    stable_artifact=s.canary_artifact,
                    canary="",
                    canary_artifact="",
                    retiring=s.stable,
                )
                if s.canary
                else s
            )
        )

    def follow(self) -> None:
        """Let the detector watch against what the stable version was trained on."""
        state = self.memory.read()

        def edit(found: Object) -> Object | None:
            wanted = repoint(found, state.stable, state.stable_artifact)
            return None if wanted == found else wanted

        change(self.kube, ISVC, f"{self.base}-detector", edit)
