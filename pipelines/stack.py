"""The servers of one model on this machine: a predictor behind the router, and what surrounds it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from components.errors import ArthaflowError
from components.models.spec import ModelSpec
from components.records.rollouts import record_start
from components.rollout.targets.local import LocalTarget
from inference.local import Endpoint, LocalServing
from inference.local.gateway import publish, start_gateway, start_jobs

HOME_WIDE = ("watchdog", "gateway", "jobs")
"""Servers of a home rather than of a model."""

SURROUNDINGS = ("transformer", "explainer", "detector")


@dataclass
class Stack:
    """Starts the servers of one model and knows what they need of each other.

    Parameters
    ----------
    serving : LocalServing
        The servers of one home.
    spec : ModelSpec
        The model.
    """

    serving: LocalServing
    spec: ModelSpec
    _pending: list[Endpoint] = field(default_factory=list)

    @property
    def target(self) -> LocalTarget:
        """Where rollouts of this model happen."""
        return LocalTarget(self.serving, self.spec.name)

    def start(
        self, version: str, artifact: Path, *, port: int = 0, only: tuple[str, ...] = SURROUNDINGS
    ) -> dict[str, Endpoint]:
        """Start everything; the surroundings come up side by side, since Alibi alone takes several seconds to import.

        Returns
        -------
        dict of str to Endpoint
            By kind; what clients talk to is ``router`` (features) and ``transformer`` (an entity and a time).

        Raises
        ------
        ArthaflowError
            If a server does not get ready; those that were started are stopped again, and what ran before runs on.
        """
        before = {endpoint.key for endpoint in self.serving.running()}
        try:
            router = self.begin(version, artifact, port=port, only=only)
            return {"router": router, **self.wait()}
        except ArthaflowError:
            for endpoint in self.serving.running():
                if endpoint.key not in before:
                    self.serving.stop(endpoint.key)
            raise

    def begin(self, version: str, artifact: Path, *, port: int = 0, only: tuple[str, ...] = SURROUNDINGS) -> Endpoint:
        """Start predictor and router, and begin to start the surroundings; :meth:`wait` waits for them."""
        router = self.target.begin(version, str(artifact), http_port=port)
        record_start(self.spec.name, version, self.serving.home)
        self._launch(artifact, router, only)
        return router

    def surround(self, artifact: Path, kinds: tuple[str, ...] = ("explainer", "detector")) -> None:
        """Begin to start explainer and detector for an artifact, in place of an earlier one's; see :meth:`wait`."""
        for kind in kinds:
            self.serving.stop(f"{kind}/{self.spec.name}")
        self._launch(artifact, self.target.router, kinds)

    def _launch(self, artifact: Path, router: Endpoint, kinds: tuple[str, ...]) -> None:
        name = self.spec.name
        if "transformer" in kinds and self.spec.feature_service:
            self._pending.append(self.serving.start_transformer(name, router, wait=False))
        if "explainer" in kinds:
            self._pending.append(self.serving.start_explainer(name, artifact, router, wait=False))
        if "detector" in kinds:
            self._pending.append(self.serving.start_detector(name, artifact, wait=False))

    def wait(self) -> dict[str, Endpoint]:
        """Wait for the surroundings, then let the payload log flow to the detector."""
        up = {endpoint.kind: endpoint for endpoint in self._pending}
        for endpoint in self._pending:
            self.serving.wait_ready(endpoint)
        self._pending = []
        if "detector" in up:
            self.forward(self.target.stable_version)
        publish(self.serving)
        return up

    def open(self, port: int | None = None) -> Endpoint:
        """Start the gateway and the worker of its jobs, where they do not run already, and return the gateway."""
        gateway = start_gateway(self.serving, port=port)
        start_jobs(self.serving)
        return gateway

    def guard(self) -> None:
        """Let the home's one watchdog restart what is killed."""
        if not any(endpoint.kind == "watchdog" for endpoint in self.serving.running()):
            self.serving.start_watchdog()

    def stop(self) -> None:
        """Stop this model's servers, and the home's own when no model runs any more."""
        for endpoint in self.serving.running():
            if endpoint.model == self.spec.name:
                self.serving.stop(endpoint.key)
        publish(self.serving)
        if all(endpoint.kind in HOME_WIDE for endpoint in self.serving.running()):
            self.serving.stop_all()

    def forward(self, version: str) -> Endpoint:
        """Send a version's payload log to the detector as CloudEvents."""
        detector = self.serving.find("detector", self.spec.name)
        return self.serving.start_forwarder(self.serving.find("predictor", self.spec.name, version), detector.url)
