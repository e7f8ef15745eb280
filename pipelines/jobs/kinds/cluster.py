"""Jobs on a cluster: the graph is submitted once, and followed to its end. What its pods use is not measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.errors import ArthaflowError
from pipelines.jobs.context import JobContext
from pipelines.watch import Step

EXPERIMENT = "arthaflow"


def run_on_cluster(context: JobContext, graph: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Run a graph that ends with the gate; return what it registered.

    An attempt that was cut short left its run going; the next one finds it by its name and follows it.
    """
    run = _follow(context, graph, arguments)
    return {"model": context.asked.model, **run, **_registered(context.asked.model, run["run_id"])}


def roll_out_on_cluster(context: JobContext, version: str, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Run the rollout graph; the registry says what became of the version."""
    from components.registry.versions import PRODUCTION, Registry

    config = context.config
    place = {"namespace": config.serving_namespace, "mode": config.serving_mode, "prometheus": config.prometheus}
    arguments: dict[str, Any] = {"version": version, **{k: v for k, v in place.items() if v}}
    arguments |= {k: v for k, v in plan.items() if k in ("soak_s", "max_wait_s", "on_inconclusive")}
    if "steps" in plan:
        arguments["steps"] = ",".join(map(str, plan["steps"]))
    run = _follow(context, "rollout", arguments)
    registry = Registry()
    found, stable = registry.get(context.asked.model, version), registry.find(context.asked.model, PRODUCTION)
    promoted = PRODUCTION in found.aliases
    told = {"environment": "production", "version": version, "stable_version": stable.version if stable else "", **run}
    if promoted:
        return {**told, "outcome": "promoted", "reason": f"Version {version} serves."}
    reason = found.tags.get("rolled_back") or "It was not promoted; the run's page says why."
    return {**told, "outcome": "rolled_back", "reason": reason, "problem": f"rolled_back: {reason}"}


def stop(context: JobContext) -> None:
    """Terminate the run of a job that was cancelled or given up; nothing is to be done on one machine."""
    if context.config.target != "kubeflow":
        return
    from pipelines.kubeflow import connect
    from pipelines.listing import named

    graph = {"training": "train", "deployment": "rollout"}.get(context.asked.kind, "tune")
    with connect(context.config.host, context.config.namespace) as cluster:
        for run in named(cluster.client.list_runs, _name(context, graph)):
            if run.state not in ("SUCCEEDED", "FAILED", "CANCELED", "SKIPPED"):
                cluster.client.terminate_run(run.run_id)


def stop_rollout(context: JobContext) -> None:
    """Terminate the rollout's run, then send all traffic back to the stable version."""
    from typing import Literal, cast

    from components.rollout.cluster import Site
    from pipelines.rolling import abort_on_cluster

    stop(context)
    config = context.config
    mode = cast("Literal['Standard', 'Knative']", config.serving_mode or "Standard")
    site = Site(context.asked.model, config.serving_namespace or "arthaflow", mode).connect()
    assert site.kube is not None
    state = site.memory(site.kube).read()
    if state.unfinished and state.canary:
        abort_on_cluster(site)


def _follow(context: JobContext, graph: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    from pipelines.cluster_options import ClusterOptions
    from pipelines.submit import submit
    from pipelines.watch import wait

    config, asked = context.config, context.asked
    submitted = submit(
        asked.model,
        config.host,
        graph=graph,
        arguments=arguments,
        experiment=EXPERIMENT,
        run_name=_name(context, graph),
        once=True,
        namespace=config.namespace,
        options=ClusterOptions.from_environment(),
    )
    print(f"{submitted}", flush=True)  # noqa: T201 - the job's log
    wait(
        config.host,
        submitted.id,
        namespace=config.namespace,
        poll_s=config.run_poll_s,
        show=lambda step: _show(context, step),
    )
    return {"run_id": submitted.id, "url": submitted.url}


def _show(context: JobContext, step: Step) -> None:
    told = {"step": step.name, "state": step.state.lower(), **({"problem": step.error} if step.error else {})}
    context.show([*(s for s in context.steps if s["step"] != step.name), told])


def _name(context: JobContext, graph: str) -> str:
    return f"{graph} {context.asked.model} job {context.asked.job_id}"


def _registered(model: str, run_id: str) -> dict[str, Any]:
    from components.registry.versions import Registry
    from pipelines.jobs.kinds.training import version_facts

    try:
        made = next((v for v in Registry().versions(model) if v.tags.get("run_id") == run_id), None)
    except ArthaflowError as error:
        return {"version": None, "reason": f"The run succeeded, and the registry cannot be asked: {error}"}
    if made is None:
        return {"version": None, "reason": "The run ended well and registered no version: refused, or not asked to."}
    return version_facts(model, made.version)
