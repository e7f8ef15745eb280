"""How a version stands: retired, serving, being rolled out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components.errors import ArthaflowError, ModelUnavailable

if TYPE_CHECKING:
    from pipelines.jobs.context import JobContext

RETIRED = "retired"
"""Tag of a version in MLflow: when, and why."""


class VersionInUse(ArthaflowError):
    """What is asked would harm a version that serves, or use one that was retired."""

    status = 409


def refuse_retired(model: str, reference: str) -> str:
    """Return the number of a version.

    Raises
    ------
    UnknownModel
        If there is none.
    VersionInUse
        If it was retired.
    """
    from components.registry.versions import Registry

    found = Registry().get(model, reference)
    if found.tags.get(RETIRED):
        raise VersionInUse(
            f"Version {found.version} of {model} was retired ({found.tags[RETIRED]}).",
            "Deploy another version, or train a new one.",
        )
    return found.version


def serving_version(context: JobContext, model: str) -> str:
    """Return the version that serves: the router's here, the registry's production on a cluster; empty for none."""
    from components.registry.versions import PRODUCTION, Registry

    if context.config.target == "local":
        from components.rollout.targets.local import LocalTarget
        from inference.local import LocalServing

        try:
            return LocalTarget(LocalServing(context.home), model).stable_version
        except ModelUnavailable:
            pass  # nothing serves here: the registry says what would
    found = Registry().find(model, PRODUCTION)
    return found.version if found else ""
