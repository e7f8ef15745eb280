"""The few calls that a rollout makes to a Kubernetes API server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from components.errors import ConfigurationError, ModelUnavailable

FIELD_MANAGER = "arthaflow-rollout"


class KubeClient(Protocol):
    """Get, apply and delete objects."""

    def get(self, api_version: str, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        """Return an object, or None if there is none."""
        ...

    def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create or change an object (server-side apply: fields that are left out are removed) and return it."""
        ...

    def delete(self, api_version: str, kind: str, name: str, namespace: str) -> None:
        """Delete an object; nothing happens if there is none."""
        ...


class ApiServer:
    """A real API server, through the ``kubernetes`` package.

    Parameters
    ----------
    client : kubernetes.client.ApiClient or None
        None for the pod's service account, or else the current kubeconfig context.

    Raises
    ------
    ConfigurationError
        If there is neither.
    """

    def __init__(self, client: Any = None) -> None:
        from kubernetes import config  # type: ignore[import-untyped]
        from kubernetes.client import ApiClient  # type: ignore[import-untyped]
        from kubernetes.dynamic import DynamicClient  # type: ignore[import-untyped]

        if client is None:
            try:
                config.load_config()
            except config.ConfigException as error:
                raise ConfigurationError(
                    f"No Kubernetes cluster is configured ({error}).", "Set KUBECONFIG, or run it in the cluster."
                ) from error
            client = ApiClient()
        with _calling(f"The API server at {client.configuration.host} could not be asked what it knows"):
            self._client = DynamicClient(client)

    def get(self, api_version: str, kind: str, name: str, namespace: str) -> dict[str, Any] | None:
        """Return an object, or None if there is none."""
        found: dict[str, Any] | None = None
        with _calling(f"{kind} {name} could not be read"):
            found = self._resource(api_version, kind).get(name=name, namespace=namespace).to_dict()
        return found

    def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Create or change an object by server-side apply and return it."""
        kind, name, namespace = manifest["kind"], manifest["metadata"]["name"], manifest["metadata"]["namespace"]
        place = {"name": name, "namespace": namespace, "field_manager": FIELD_MANAGER, "force_conflicts": True}
        applied: dict[str, Any] = {}
        with _calling(f"{kind} {name} could not be applied"):
            applied = self._resource(manifest["apiVersion"], kind).server_side_apply(body=manifest, **place).to_dict()
        if not applied:
            raise ModelUnavailable(
                f"{kind} {name} could not be applied: there is no such namespace.", "Create it first."
            )
        return applied

    def delete(self, api_version: str, kind: str, name: str, namespace: str) -> None:
        """Delete an object; nothing happens if there is none."""
        with _calling(f"{kind} {name} could not be deleted"):
            self._resource(api_version, kind).delete(name=name, namespace=namespace)

    def _resource(self, api_version: str, kind: str) -> Any:
        from kubernetes.dynamic.exceptions import ResourceNotFoundError  # type: ignore[import-untyped]

        try:
            return self._client.resources.get(api_version=api_version, kind=kind)
        except ResourceNotFoundError as error:
            raise ConfigurationError(
                f"The cluster does not know {kind} ({api_version}).", "Install KServe and the Gateway API."
            ) from error


@contextmanager
def _calling(problem: str) -> Iterator[None]:
    """Turn the library's errors into ours; an object that is not there is no error."""
    from kubernetes.client import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        if error.status != 404:
            told = f"{error.status} {error.reason}: {str(error.body or '')[:500]}"
            raise ModelUnavailable(f"{problem} ({told}).", "Check the service account's rights.") from error
    except HTTPError as error:
        raise ModelUnavailable(f"{problem} ({error}).", "Check the kubeconfig context and the network.") from error
