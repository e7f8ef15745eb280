"""A retirement job: a version that shall never serve again. Its artifact and its story stay."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from components.errors import ModelUnavailable
from pipelines.jobs.context import JobContext
from pipelines.jobs.kinds.standing import RETIRED, VersionInUse, serving_version


def retire(context: JobContext) -> dict[str, Any]:
    """Mark a version as retired, and take away what would bring it back: its aliases, and its staged server.

    Raises
    ------
    VersionInUse
        If it serves, is production, or is being rolled out.
    """
    from components.registry.versions import CANDIDATE, PREVIOUS, PRODUCTION, Registry

    model, arguments = context.asked.model, context.asked.arguments
    registry = Registry()
    found = registry.get(model, str(arguments["version"]))
    reason = str(arguments.get("reason") or "No reason was given.")
    if PRODUCTION in found.aliases or serving_version(context, model) == found.version:
        raise VersionInUse(f"Version {found.version} of {model} serves.", "Deploy another version first.")
    if context.config.target == "local":
        _unstage(context, found.version)
    for alias in (CANDIDATE, PREVIOUS):
        if alias in found.aliases:
            registry.delete_alias(model, alias)
    if not found.tags.get(RETIRED):
        registry.note(model, found.version, retired=f"{datetime.now(UTC).isoformat(timespec='seconds')} {reason}")
    return {"version": found.version, "outcome": "retired", "reason": reason}


def _unstage(context: JobContext, version: str) -> None:
    from components.rollout.targets.local import LocalTarget
    from inference.local import LocalServing

    target = LocalTarget(LocalServing(context.home), context.asked.model)
    try:
        if target.canary_version != version:
            return
    except ModelUnavailable:
        return
    if target.canary_percent:
        raise VersionInUse(
            f"Version {version} is being rolled out and gets {target.canary_percent} % of the traffic.",
            "Cancel its deployment first.",
        )
    target.rollback()
