"""KServe in Standard mode: an InferenceService per version behind one weighted HTTPRoute.

KServe 0.20 makes Deployments of ``spec.canary`` without splitting traffic, and ignores ``canaryTrafficPercent``; so the
chart makes the route, and a rollout sets its weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from components.cluster_names import base_name
from components.errors import ConfigurationError, ModelUnavailable
from components.rollout.interruption import Interrupted
from components.rollout.state import RolloutState
from components.rollout.targets.cluster import ISVC, ClusterTarget
from components.rollout.targets.kube import Conflict, KubeClient, Object, change
from components.rollout.targets.names import service_name
from components.rollout.targets.routes import Split, acceptance, serving, split
from components.rollout.targets.services import artifact_of, copy_service, folder, version_of
from components.rollout.targets.waiting import wait_for

ROUTE = "HTTPRoute"


@dataclass
class StandardTarget(ClusterTarget):
    """One model in Standard mode; see :class:`~components.rollout.targets.cluster.ClusterTarget`."""

    _deaf: bool = field(default=False, repr=False)

    def deploy_canary(self, version: str, artifact: str) -> None:
        """Copy the stable version's service, wait until it is ready, and make it known to the route at weight 0."""
        stable = self.live(self._name(self.stable_version))
        wanted = copy_service(stable, self._name(version), version, artifact)
        name = wanted["metadata"]["name"]
        try:
            made = self.kube.create(wanted)
        except Conflict:
            made = self._adopt(wanted)
        self.wait_ready(name, int(made["metadata"].get("generation", 0)))
        self._route(Split(stable["metadata"]["name"], name, 0))

    def set_canary_weight(self, percent: int) -> None:
        """Split the traffic between two versions that are ready."""
        state = self.memory.read()
        stable, canary = self._name(state.stable), self._name(state.canary)
        self.wait_ready(canary)
        self._route(Split(stable, canary, percent))

    def promote(self, announce: Callable[[], None]) -> None:
        """All traffic to the canary; once the gateway has it and requests have drained, the old version goes."""
        state = self.memory.read()
        if state.canary:
            canary = self._name(state.canary)
            self.wait_ready(canary)
            self._route(Split(canary))
            self.wait_ready(canary)
            self.drain()
            state = self.switch()
        self.follow()
        announce()
        if state.retiring:
            self.kube.delete(ISVC, self._name(state.retiring))

    def rollback(self) -> None:
        """All traffic to the stable version; once the gateway has it and requests have drained, the canary goes."""
        state = self.memory.read()
        if not state.canary:
            return
        try:
            self.wait_ready(self._name(state.stable))
            self._route(Split(self._name(state.stable)))
        except (ModelUnavailable, ConfigurationError) as error:
            raise Interrupted(
                f"Version {state.canary} is still there: traffic could not be given back to version {state.stable}. "
                f"{error.problem}",
                f"{error.remedy} Then run `arthaflow rollout abort {self.model}`.",
            ) from error
        self.drain()
        self.kube.delete(ISVC, self._name(state.canary))

    def _name(self, version: str) -> str:
        return service_name(self.base, version)

    def _adopt(self, wanted: Object) -> Object:
        """Take over a service that an earlier attempt made; whatever it served, it serves the wanted version now."""
        name = wanted["metadata"]["name"]

        def edit(found: Object) -> Object | None:
            same = version_of(found) == version_of(wanted) and artifact_of(found) == artifact_of(wanted)
            metadata = {**found["metadata"], "labels": wanted["metadata"].get("labels", {})}
            return None if same else {**found, "metadata": metadata, "spec": wanted["spec"]}

        return change(self.kube, ISVC, name, edit) or self.kube.create(wanted)

    def _route(self, wanted: Split) -> None:
        """Set the route and wait until the gateway has taken it up.

        Raises
        ------
        ConfigurationError
            If there is no route, or the gateway refuses it.
        """
        changed = change(self.kube, ROUTE, self.base, lambda route: split(route, wanted))
        if changed is None:
            raise ConfigurationError(
                f"HTTPRoute {self.base} is not in namespace {self.kube.namespace}.",
                "The chart makes it: `helm upgrade --install` with this model.",
            )
        waited = wait_for(
            self.kube,
            ROUTE,
            self.base,
            lambda found: (acceptance(found)[0] == "accepted", ""),
            0.0 if self._deaf else self.route_timeout_s,
            self.clock,
        )
        if waited.done:
            return
        verdict, said = acceptance(waited.found)
        if verdict == "refused":
            raise ConfigurationError(f"HTTPRoute {self.base} is refused: {said}.", "Correct the route or the gateway.")
        if not self._deaf:
            self._deaf = True
            self.note(
                f"HTTPRoute {self.base}: {said}, after {self.route_timeout_s:g} s; "
                "going on without its word, with the drain time only."
            )


def first_state(kube: KubeClient, model: str) -> RolloutState:
    """Return the state before the first rollout: the version that the chart's route sends traffic to.

    Raises
    ------
    ModelUnavailable
        If nothing serves the model.
    """
    route = kube.get(ROUTE, base_name(model))
    service = kube.get(ISVC, serving(route)) if route is not None else None
    if service is None:
        raise nothing_serves(kube, model)
    return RolloutState(version_of(service), folder(artifact_of(service)))


def nothing_serves(kube: KubeClient, model: str) -> ModelUnavailable:
    """The error for a model that a rollout has nothing to begin with."""
    return ModelUnavailable(
        f"No version of {model} is served in namespace {kube.namespace}: a rollout needs a stable version.",
        f"Let the chart serve the first: `arthaflow values {model} --version V > values-{base_name(model)}.yaml`, then "
        f"`helm upgrade --install ... --values values-{base_name(model)}.yaml`.",
    )
