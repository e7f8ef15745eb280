"""KServe in Knative mode: one InferenceService, whose newest revision gets ``canaryTrafficPercent``.

Knative keeps exactly two revisions in play: the newest, and the one that was rolled out before. A rollback sets the
newest one's share to 0: its revision keeps its smallest scale until the next version replaces it, because taking the
old version's spec again would be a third revision, and would start cold.

Only the predictor is split. The explainer stays with the stable version until the canary is promoted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.cluster_names import base_name
from components.errors import ModelUnavailable
from components.rollout.state import RolloutState
from components.rollout.targets.cluster import ISVC, ClusterTarget
from components.rollout.targets.kube import KubeClient, Object, change
from components.rollout.targets.services import artifact_of, folder, repoint, version_of
from components.rollout.targets.standard import nothing_serves

PERCENT = "canaryTrafficPercent"


@dataclass
class KnativeTarget(ClusterTarget):
    """One model in Knative mode; see :class:`~components.rollout.targets.cluster.ClusterTarget`."""

    def deploy_canary(self, version: str, artifact: str) -> None:
        """Make a revision of the version at 0 %, and wait until it is ready."""
        self._set(0, version, artifact)

    def set_canary_weight(self, percent: int) -> None:
        """Split the traffic."""
        state = self.memory.read()
        self._set(percent, state.canary, state.canary_artifact)

    def promote(self, announce: Callable[[], None]) -> None:
        """Give the newest revision everything; the one before it is scaled down by Knative."""
        state = self.memory.read()
        if state.canary:
            self.wait_ready(self.base)
            self._set(None, state.canary, state.canary_artifact)
            self.drain()
            self.switch()
        self.follow()
        announce()

    def rollback(self) -> None:
        """Give the earlier revision everything; see the module for what stays."""
        if self.memory.read().canary:
            change(self.kube, ISVC, self.base, lambda found: _edited(found, 0, found))

    def _set(self, percent: int | None, version: str, artifact: str) -> None:
        self.live(self.base)

        def edit(found: Object) -> Object | None:
            parts = None if percent is None else frozenset({"predictor"})
            return _edited(found, percent, repoint(found, version, artifact, parts))

        changed = change(self.kube, ISVC, self.base, edit)
        if changed is None:
            raise ModelUnavailable(f"InferenceService {self.base} was deleted.", "Serve the model with the chart.")
        self.wait_ready(self.base, int(changed["metadata"].get("generation", 0)))


def first_state(kube: KubeClient, model: str) -> RolloutState:
    """Return the state before the first rollout: the version of the one InferenceService.

    Raises
    ------
    ModelUnavailable
        If nothing serves the model.
    """
    service = kube.get(ISVC, base_name(model))
    if service is None:
        raise nothing_serves(kube, model)
    return RolloutState(version_of(service), folder(artifact_of(service)))


def _edited(found: Object, percent: int | None, wanted: Object) -> Object | None:
    """Return the wanted service with the newest revision's share of the traffic, or None where it is so already."""
    predictor = {k: v for k, v in wanted["spec"]["predictor"].items() if k != PERCENT}
    if percent is not None:
        predictor[PERCENT] = percent
    made = {**wanted, "spec": {**wanted["spec"], "predictor": predictor}}
    return None if made == found else made
