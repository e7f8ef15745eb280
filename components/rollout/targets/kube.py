"""The few calls that a rollout makes to a Kubernetes API server.

Every change of an object that exists is a read followed by a ``PUT`` with the ``resourceVersion`` that was read: who
decided on an older state gets a conflict and has to look again. Calls that may be repeated are repeated.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from components.cluster_access import api_client
from components.errors import ConfigurationError, ModelUnavailable
from components.rollout.clock import Clock, SystemClock
from components.rollout.interruption import ClusterUnavailable

Object = dict[str, Any]
FIELD_MANAGER = "arthaflow-rollout"
PATHS = {
    "ConfigMap": ("/api/v1", "configmaps"),
    "Lease": ("/apis/coordination.k8s.io/v1", "leases"),
    "InferenceService": ("/apis/serving.kserve.io/v1beta1", "inferenceservices"),
    "HTTPRoute": ("/apis/gateway.networking.k8s.io/v1", "httproutes"),
}
ATTEMPTS = 6
FIRST_PAUSE_S = 0.2
CALL_TIMEOUT_S = 30.0
TRANSIENT = frozenset({0, 408, 429, 500, 502, 503, 504})


class Conflict(Exception):
    """The object was changed since it was read, or exists already."""


class Gone(Exception):
    """The server remembers no changes since that ``resourceVersion`` (410)."""


class KubeClient(Protocol):
    """Objects of one namespace, by kind and name."""

    @property
    def namespace(self) -> str:
        """The namespace."""
        ...

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object, or None if there is none."""
        ...

    def create(self, manifest: Object) -> Object:
        """Make an object.

        Raises
        ------
        Conflict
            If there is one of that name.
        """
        ...

    def replace(self, manifest: Object) -> Object:
        """Write an object whose ``resourceVersion`` must be the current one.

        Raises
        ------
        Conflict
            If it is not, or the object is gone.
        """
        ...

    def delete(self, kind: str, name: str) -> None:
        """Delete an object; nothing happens if there is none."""
        ...

    def watch(self, kind: str, name: str, version: str, timeout_s: float) -> Iterator[Object | None]:
        """Yield the object at each change after ``version`` (None: deleted), until the time is over.

        Raises
        ------
        Gone
            If the server no longer knows ``version``.
        ClusterUnavailable
            If the connection is lost.
        """
        ...


class ApiServer:
    """A real API server, through the ``kubernetes`` package.

    Parameters
    ----------
    namespace : str
        Where the models are served.
    client : kubernetes.client.ApiClient or None
        None for the pod's service account, or else the current kubeconfig context.
    clock : Clock
        Waits between two attempts.

    Raises
    ------
    ConfigurationError
        If there is neither.
    """

    def __init__(self, namespace: str, client: Any = None, clock: Clock | None = None) -> None:
        self.namespace, self._client, self._clock = namespace, client or api_client(), clock or SystemClock()

    def get(self, kind: str, name: str) -> Object | None:
        """Return an object, or None if there is none."""
        status, body = self._call("GET", kind, name)
        return None if status == 404 else body

    def create(self, manifest: Object) -> Object:
        """Make an object."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        status, body = self._call("POST", kind, name, {**manifest, "apiVersion": _api_version(kind)})
        if status == 404:
            raise ModelUnavailable(f"There is no namespace {self.namespace!r}.", "Create it, or name another one.")
        if status == 409:
            raise Conflict(f"{kind} {name} exists already")
        return body

    def replace(self, manifest: Object) -> Object:
        """Write an object whose ``resourceVersion`` must be the current one."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        status, body = self._call("PUT", kind, name, {**manifest, "apiVersion": _api_version(kind)})
        if status in (404, 409):
            raise Conflict(f"{kind} {name} was changed meanwhile")
        return body

    def delete(self, kind: str, name: str) -> None:
        """Delete an object; nothing happens if there is none."""
        self._call("DELETE", kind, name)

    def watch(self, kind: str, name: str, version: str, timeout_s: float) -> Iterator[Object | None]:
        """Yield the object at each change after ``version`` (None: deleted), until the time is over."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        seconds = max(1, round(timeout_s))
        query = {"watch": "true", "fieldSelector": f"metadata.name={name}", "resourceVersion": version}
        query["timeoutSeconds"] = str(seconds)
        try:
            answer = self._request("GET", self._path(kind), query, None, (CALL_TIMEOUT_S, seconds + CALL_TIMEOUT_S))
            try:
                yield from _events(answer)
            finally:
                answer.close()
        except ApiException as error:
            if error.status == 410:
                raise Gone(str(error.reason)) from error
            raise ClusterUnavailable(f"{kind} {name} could not be watched ({error.status} {error.reason}).") from error
        except (HTTPError, OSError, ValueError) as error:
            raise ClusterUnavailable(f"The watch of {kind} {name} was cut off ({error}).") from error

    def _call(self, method: str, kind: str, name: str, body: Object | None = None) -> tuple[int, Object]:
        """Send a request, again while the server stumbles; return status (also 404 and 409) and body."""
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        path = self._path(kind) if method == "POST" else f"{self._path(kind)}/{name}"
        query = {"fieldManager": FIELD_MANAGER} if method in ("POST", "PUT") else {}
        problem = f"{kind} {name} could not be {_VERBS[method]}"
        pause = FIRST_PAUSE_S
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._request(method, path, query, body, (CALL_TIMEOUT_S, CALL_TIMEOUT_S))
                return int(answer.status), json.loads(answer.data)
            except ApiException as error:
                if error.status in (404, 409):
                    if error.status == 404 and not _is_status(error):
                        raise _unknown_kind(kind) from error
                    return int(error.status), {}
                if error.status not in TRANSIENT or attempt == ATTEMPTS:
                    raise _refused(problem, error) from error
            except (HTTPError, OSError, ValueError) as error:
                if attempt == ATTEMPTS:
                    host = self._client.configuration.host
                    raise ClusterUnavailable(
                        f"{problem}: the API server at {host} does not answer ({error}).",
                        "Check the kubeconfig context and the network, and run the same command again.",
                    ) from error
            self._clock.sleep(pause)
            pause *= 2
        raise AssertionError("unreachable")

    def _request(self, method: str, path: str, query: dict[str, str], body: Any, timeout: tuple[float, float]) -> Any:
        return self._client.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": "application/json"},
            body=body,
            auth_settings=["BearerToken"],
            _return_http_data_only=True,
            _preload_content=False,
            _request_timeout=timeout,
        )

    def _path(self, kind: str) -> str:
        group, plural = PATHS[kind]
        return f"{group}/namespaces/{self.namespace}/{plural}"


_VERBS = {"GET": "read", "POST": "created", "PUT": "changed", "DELETE": "deleted"}


def change(kube: KubeClient, kind: str, name: str, edit: Callable[[Object], Object | None]) -> Object | None:
    """Read an object, edit it, write it; again from the read while others write. Return it, or None if there is none.

    Parameters
    ----------
    edit : callable
        Gets what the server has and returns what it should have, or None when nothing is to be written.
    """
    for _ in range(ATTEMPTS * 5):
        found = kube.get(kind, name)
        if found is None:
            return None
        wanted = edit(found)
        if wanted is None:
            return found
        try:
            return kube.replace(wanted)
        except Conflict:
            continue
    raise ClusterUnavailable(
        f"{kind} {name} is being changed by somebody else all the time.",
        f"See `kubectl -n {kube.namespace} get {kind.lower()} {name} -o yaml --show-managed-fields`.",
    )


def _events(answer: Any) -> Iterator[Object | None]:
    rest = b""
    for chunk in answer.stream(amt=None, decode_content=True):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            event = json.loads(line) if line.strip() else {}
            kind = event.get("type")
            if kind == "ERROR":
                if event["object"].get("code") == 410:
                    raise Gone(str(event["object"].get("message")))
                raise ValueError(f"the server said {event['object']}")
            if kind in ("ADDED", "MODIFIED"):
                yield event["object"]
            elif kind == "DELETED":
                yield None


def _api_version(kind: str) -> str:
    return PATHS[kind][0].removeprefix("/apis/").removeprefix("/api/")


def _is_status(error: Any) -> bool:
    """Whether a 404 is about an object; a path that the server does not know is answered in plain text."""
    try:
        return bool(json.loads(error.body or b"").get("kind") == "Status")
    except (ValueError, AttributeError):
        return False


def _unknown_kind(kind: str) -> ConfigurationError:
    return ConfigurationError(
        f"The cluster does not know {kind} ({_api_version(kind)}).", "Install KServe and the Gateway API."
    )


def _refused(problem: str, error: Any) -> Exception:
    """What the server says no to: an object that is not valid is the version's fault, missing rights are not."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else str(error.body or "")
    told = f"{problem} ({error.status} {error.reason}: {body[:600]})."
    if error.status in (400, 422) or "admission webhook" in body:
        return ModelUnavailable(told, "Correct what the message names.")
    if error.status in (401, 403):
        return ClusterUnavailable(told, "Give the service account the chart's role for rollouts, and run again.")
    return ClusterUnavailable(told, "Run the same command again; the rollout continues where it was.")
