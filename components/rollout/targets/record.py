"""The state of a model's rollouts in a ConfigMap, which the chart reads too: an upgrade never undoes a rollout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from components.rollout.interruption import ClusterUnavailable
from components.rollout.state import Change, RolloutState
from components.rollout.targets.kube import ATTEMPTS, Conflict, KubeClient
from components.rollout.targets.names import labels, state_name


@dataclass
class ClusterMemory:
    """The state in ConfigMap ``<model>-rollout``.

    Parameters
    ----------
    kube : KubeClient
        The API server.
    base : str
        The model's name there.
    derive : callable
        Tells what serves while no rollout has recorded anything: the chart's first version.
    """

    kube: KubeClient
    base: str
    derive: Callable[[], RolloutState]

    durable = True

    def read(self) -> RolloutState:
        """Return the state."""
        found = self.kube.get("ConfigMap", state_name(self.base))
        if found is None or not (found.get("data") or {}).get("stable"):
            return self.derive()
        return RolloutState.from_data(found["data"])

    def update(self, change: Change) -> RolloutState:
        """Write ``change(state)``; asked again with the newer state when somebody else wrote meanwhile."""
        name = state_name(self.base)
        for _ in range(ATTEMPTS * 5):
            found = self.kube.get("ConfigMap", name)
            known = (found or {}).get("data") or {}
            before = RolloutState.from_data(known) if known.get("stable") else self.derive()
            after = change(before)
            if found is not None and after == before and known:
                return after
            try:
                self._write(found, after)
            except Conflict:
                continue
            return after
        raise ClusterUnavailable(
            f"ConfigMap {name} is being changed by somebody else all the time.",
            f"See `kubectl -n {self.kube.namespace} get configmap {name} -o yaml --show-managed-fields`.",
        )

    def _write(self, found: dict[str, object] | None, state: RolloutState) -> None:
        if found is None:
            name = {"name": state_name(self.base), "namespace": self.kube.namespace, "labels": labels(self.base)}
            self.kube.create({"kind": "ConfigMap", "metadata": name, "data": state.to_data()})
        else:
            self.kube.replace({**found, "kind": "ConfigMap", "data": state.to_data()})
