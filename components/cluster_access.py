"""The connection to a Kubernetes API server that graphs' steps and commands use."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from components.errors import ConfigurationError


def api_client() -> Any:
    """Return a ``kubernetes`` client of the file that ``KUBECONFIG`` names, of ``~/.kube/config``, or of the pod.

    Raises
    ------
    ConfigurationError
        If there is none of them, or what is there cannot be used.
    """
    from kubernetes import config  # type: ignore[import-untyped]
    from kubernetes.client import ApiClient  # type: ignore[import-untyped]

    # Not config.load_config(): it prints, and reads KUBECONFIG only once, when it is imported.
    file = os.environ.get("KUBECONFIG") or str(Path("~/.kube/config").expanduser())
    try:
        if "KUBECONFIG" in os.environ or Path(file).is_file():
            config.load_kube_config(file)
        else:
            config.load_incluster_config()
    except config.ConfigException as error:
        raise ConfigurationError(
            f"No Kubernetes cluster is configured ({str(error).rstrip('.')}).",
            "Set KUBECONFIG, or run it in the cluster.",
        ) from error
    return ApiClient()
