"""A deployment job: the rollout of ``arthaflow rollout start``, or a version held ready without traffic (staging)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from components.catalog import get_spec
from components.errors import ConfigurationError
from pipelines.jobs.context import JobContext
from pipelines.jobs.kinds.standing import refuse_retired, serving_version

if TYPE_CHECKING:
    from pipelines.stack import Stack

PLAN = ("steps", "soak_s", "interval_s", "max_wait_s", "on_inconclusive")


def deploy(context: JobContext) -> dict[str, Any]:
    """Bring a version to an environment.

    Returns
    -------
    dict
        ``environment``, ``version``, ``outcome`` (``promoted``, ``rolled_back``, ``held`` or ``staged``), ``reason``,
        ``stable_version``; ``problem`` where the version does not serve.

    Raises
    ------
    ConfigurationError
        If the version is retired, or serves already, or the environment does not exist here.
    """
    arguments = context.asked.arguments
    version = refuse_retired(context.asked.model, str(arguments["version"]))
    if arguments.get("environment", "production") == "staging":
        return _stage(context, version)
    if context.config.target == "kubeflow":
        from pipelines.jobs.kinds.cluster import roll_out_on_cluster

        return roll_out_on_cluster(context, version, plan_of(context))
    from pipelines.rolling import roll_out

    context.begin(f"roll out version {version}")
    result = roll_out(_stack(context), version, tell=lambda event: _tell(context, event), **plan_of(context))
    told = {
        "environment": "production",
        "version": version,
        "outcome": result.outcome,
        "reason": result.reason,
        "stable_version": result.stable_version,
        "step": result.step,
        "events": result.events,
    }
    return told if result.outcome == "promoted" else told | {"problem": f"{result.outcome}: {result.reason}"}


def take_back(context: JobContext) -> dict[str, Any]:
    """Take back what a deployment left behind that was cut short.

    Returns
    -------
    dict
        ``done``, with the result beside it, where the version serves after all; ``said`` otherwise.
    """
    from components.registry.versions import Registry

    model = context.asked.model
    version = Registry().get(model, str(context.asked.arguments["version"])).version
    if context.config.target == "kubeflow":
        from pipelines.jobs.kinds.cluster import stop_rollout

        stop_rollout(context)
    else:
        target = _stack(context).target
        if target.canary_version:
            context.begin(f"take version {target.canary_version} back")
            target.rollback()
    stable = serving_version(context, model)
    if stable == version:
        reason = f"Version {version} serves; the process that brought it there was lost afterwards."
        told = {"environment": "production", "version": version, "outcome": "promoted", "reason": reason}
        return {"done": True, **told, "stable_version": stable}
    return {"done": False, "said": f"All traffic goes to version {stable}.", "stable_version": stable}


def plan_of(context: JobContext) -> dict[str, Any]:
    """Return what the caller wants otherwise than the plan's defaults."""
    given = {k: v for k, v in context.asked.arguments.items() if k in PLAN and v is not None}
    if "steps" in given:
        given["steps"] = tuple(int(step) for step in given["steps"])
    if "soak_s" in given:
        soak = float(given["soak_s"])
        given.setdefault("interval_s", max(0.5, min(5.0, soak / 4)))
        given["max_wait_s"] = max(soak, float(given.get("max_wait_s", soak)))
    return given


def _stage(context: JobContext, version: str) -> dict[str, Any]:
    if context.config.target == "kubeflow":
        raise ConfigurationError(
            "The environment 'staging' exists on one machine only: a version held ready without traffic.",
            "On a cluster install the chart a second time, in a namespace for staging, or deploy to production.",
        )
    from components.registry.versions import Registry

    target = _stack(context).target
    if target.stable_version == version:
        raise ConfigurationError(f"Version {version} serves in production already.", "Stage another version.")
    if target.canary_percent:
        raise ConfigurationError(
            f"Version {target.canary_version} is being rolled out and gets {target.canary_percent} % of the traffic.",
            "Stage this version when that has ended.",
        )
    context.begin(f"hold version {version} ready")
    if target.canary_version:
        target.rollback()
    target.deploy_canary(version, str(Registry().resolve(context.asked.model, version)))
    served = target.serving.find("predictor", context.asked.model, version)
    return {
        "environment": "staging",
        "version": version,
        "outcome": "staged",
        "reason": f"Version {version} is ready at {served.url} and gets no traffic.",
        "stable_version": target.stable_version,
        "url": served.url,
    }


def _stack(context: JobContext) -> Stack:
    from inference.local import LocalServing
    from pipelines.stack import Stack

    return Stack(LocalServing(context.home), get_spec(context.asked.model))


def _tell(context: JobContext, event: dict[str, Any]) -> None:
    if event["event"] == "step":
        context.begin(f"{event['step']} % of the traffic")
    elif event["event"] == "judged":
        judgement = event["judgement"]
        context.begin(f"judgement: {judgement['outcome']}", reason=judgement["reason"])
    print(json.dumps(event, default=str), flush=True)  # noqa: T201 - the job's log
