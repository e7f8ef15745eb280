"""Values of the Helm chart that serve one registered version."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from components.errors import ConfigurationError
from components.registry.versions import Registry
from components.settings import Settings

HERE = ("localhost", "127.0.0.1", "::1")
"""Hosts of an endpoint that means nothing to a cluster: a port-forward on this machine."""


def chart_values(model: str, reference: str, config: Settings) -> dict[str, Any]:
    """Return the chart's values for one version: its address, and the store that it is fetched from.

    Parameters
    ----------
    model : str
        Name in the catalogue.
    reference : str
        Version number or alias.
    config : Settings
        Where the registry and the artifacts are.

    Raises
    ------
    UnknownModel
        If nothing is registered under that version.
    ConfigurationError
        If the artifact lies where KServe cannot fetch it.
    """
    registry = Registry(config)
    found = registry.locate(model, reference) or registry.get(model, reference)
    if not found.uri.startswith("s3://"):
        raise ConfigurationError(
            f"Version {found.version} of {model} lies in {found.uri}, which KServe cannot fetch.",
            "Set ARTHAFLOW_ARTIFACT_STORE to an s3:// address (and ARTHAFLOW_S3_ENDPOINT), and train or submit again.",
        )
    artifact = f"{found.uri.rstrip('/')}/"
    return {
        "storage": _storage(model, artifact, config),
        "models": {model: {"version": found.version, "artifact": artifact}},
    }


def _storage(model: str, artifact: str, config: Settings) -> dict[str, str]:
    store = config.artifact_store if config.artifact_store.startswith("s3://") else ""
    if not store or not artifact.startswith(f"{store.rstrip('/')}/"):
        store = artifact.split(f"/{model}/", 1)[0]
    storage = {"uri": store.rstrip("/")}
    if config.s3_endpoint and urlsplit(config.s3_endpoint).hostname not in HERE:
        storage |= {"endpoint": config.s3_endpoint, "region": config.s3_region}
    return storage


def render_values(values: dict[str, Any]) -> str:
    """Return values as YAML, as ``helm upgrade -f -`` takes them; a version stays text."""
    import yaml

    return yaml.safe_dump(values, sort_keys=False, default_flow_style=False, width=200)
