"""Names of a model's objects on a cluster; the chart uses the same."""

from __future__ import annotations

import re

from components.errors import ConfigurationError

VERSION_LABEL = "arthaflow.io/version"
MODEL_LABEL = "arthaflow.io/model"
HEADER = "x-model-track"
LONGEST = 40
"""Of an InferenceService: its Deployments, Pods and host names get suffixes."""


def service_name(base: str, version: str) -> str:
    """Return the name of a version's InferenceService in Standard mode.

    Raises
    ------
    ConfigurationError
        If Kubernetes would refuse it.
    """
    name = f"{base}-v{version}".lower()
    if len(name) > LONGEST or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of an InferenceService.",
            f"Use a version of letters and digits, and at most {LONGEST} characters with the model's name.",
        )
    return name


def state_name(base: str) -> str:
    """Return the name of the ConfigMap and of the Lease of a model's rollouts."""
    return f"{base}-rollout"


def labels(base: str) -> dict[str, str]:
    """Labels of the objects that rollouts make. Never KServe's own: its clean-up deletes what it does not expect."""
    return {"app.kubernetes.io/part-of": "arthaflow", MODEL_LABEL: base}
