"""The few calls to a Kubernetes API server that tuning makes, with patience for a server that stumbles."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from components.cluster_access import api_client
from components.errors import ArthaflowError, ConfigurationError, ModelUnavailable
from components.rollout.clock import Clock, SystemClock
from components.tuning.katib import GROUP, NAMESPACE, PLURAL, VERSION

STUMBLES = frozenset({429, 500, 502, 503, 504})
LABEL = "katib.kubeflow.org/experiment"
REQUEST_S = 30.0
T = TypeVar("T")


class AlreadyExists(ArthaflowError):
    """There is an object of that name."""

    status = 409


class ExperimentApi:
    """Experiments and their trials in one namespace.

    A server that is away or overloaded is asked again, with growing pauses, for ``outage_s`` seconds.

    Parameters
    ----------
    namespace : str
        Of the Experiments.
    client : kubernetes.client.ApiClient or None
        None for the pod's service account, or else the current kubeconfig context.
    outage_s : float
        Longest outage to sit through, seconds.
    clock : Clock, optional
        For tests.

    Raises
    ------
    ConfigurationError
        If no cluster is configured.
    """

    def __init__(
        self, namespace: str = NAMESPACE, client: Any = None, outage_s: float = 600.0, clock: Clock | None = None
    ) -> None:
        from kubernetes.client import CustomObjectsApi

        self.namespace, self.outage_s, self.clock = namespace, outage_s, clock or SystemClock()
        self._objects = CustomObjectsApi(client or api_client())

    def get(self, name: str) -> dict[str, Any] | None:
        """Return an Experiment, or None if there is none."""
        found: dict[str, Any] | None = self._ask(
            f"The experiment {name} could not be read",
            lambda: self._objects.get_namespaced_custom_object(*self._place, name, _request_timeout=REQUEST_S),
            missing_is_none=True,
        )
        return found

    def create(self, experiment: dict[str, Any]) -> None:
        """Create an Experiment.

        Raises
        ------
        AlreadyExists
            If there is one of that name.
        ConfigurationError
            If the server refuses it; in its own words.
        """
        self._ask(
            f"The experiment {experiment['metadata']['name']} could not be created",
            lambda: self._objects.create_namespaced_custom_object(*self._place, experiment, _request_timeout=REQUEST_S),
        )

    def delete(self, name: str) -> None:
        """Delete an Experiment with its trials; nothing happens if there is none."""
        self._ask(
            f"The experiment {name} could not be deleted",
            lambda: self._objects.delete_namespaced_custom_object(
                *self._place, name, propagation_policy="Foreground", _request_timeout=REQUEST_S
            ),
            missing_is_none=True,
        )

    def trials(self, experiment: str) -> list[dict[str, Any]]:
        """Return the trials of an Experiment."""
        group, version, namespace, _ = self._place
        answer = self._ask(
            f"The trials of {experiment} could not be read",
            lambda: self._objects.list_namespaced_custom_object(
                group, version, namespace, "trials", label_selector=f"{LABEL}={experiment}", _request_timeout=REQUEST_S
            ),
        )
        items: list[dict[str, Any]] = (answer or {}).get("items") or []
        return items

    @property
    def _place(self) -> tuple[str, str, str, str]:
        return GROUP, VERSION, self.namespace, PLURAL

    def _ask(self, problem: str, call: Callable[[], T], missing_is_none: bool = False) -> T | None:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        began, pause = self.clock.now(), 0.5
        while True:
            try:
                return call()
            except ApiException as error:
                if error.status == 404 and missing_is_none and not _unknown_kind(error):
                    return None
                if error.status not in STUMBLES:
                    raise self._explained(problem, error) from error
                last: Exception = error
            except HTTPError as error:
                last = error
            if self.clock.now() - began >= self.outage_s:
                raise ModelUnavailable(
                    f"{problem}: the API server has not answered for {self.outage_s:g} s ({_told(last)}).",
                    "Check the cluster, then run the step again; it takes the experiment up where it is.",
                ) from last
            self.clock.sleep(pause)
            pause = min(2 * pause, 15.0)

    def _explained(self, problem: str, error: Any) -> ArthaflowError:
        told = _told(error)
        if error.status == 409:
            return AlreadyExists(f"{problem}: {told}.")
        if error.status == 404 and _unknown_kind(error):
            return ConfigurationError(f"{problem}: the cluster does not know Experiments.", "Install Katib 0.19.")
        if error.status in (401, 403) and "admission webhook" not in told:
            return ConfigurationError(
                f"{problem}: {told}.",
                f"Allow the step's service account create, get, list and delete of experiments.{GROUP}, and list of "
                f"trials.{GROUP}, in the namespace {self.namespace}.",
            )
        return ConfigurationError(f"{problem}: {told}.", "Correct what the server names.")


def _unknown_kind(error: Any) -> bool:
    """Whether a 404 means the resource's kind, not an object of it: the server then answers in plain text."""
    return "could not find the requested resource" in str(error.body) or "page not found" in str(error.body)


def _told(error: Any) -> str:
    """Return the server's own words."""
    try:
        message = json.loads(error.body)["message"]
    except (AttributeError, TypeError, ValueError, KeyError):
        message = str(getattr(error, "reason", "") or error)
    status = getattr(error, "status", None)
    return f"{status} {message}" if status else str(message)
