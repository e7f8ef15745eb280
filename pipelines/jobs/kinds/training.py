"""A training job: the same graph as ``arthaflow run``."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.stages.step import MARK
from pipelines.jobs.context import JobContext
from pipelines.jobs.kinds.data_source import training_source

if TYPE_CHECKING:
    from pipelines.result import RunResult

LOOK_S = 0.5


def train(context: JobContext) -> dict[str, Any]:
    """Train, judge and register; return version, metrics, artifact, lineage."""
    asked = context.asked
    if context.config.target == "kubeflow":
        from pipelines.jobs.kinds.cluster import run_on_cluster

        return run_on_cluster(context, "train", given_arguments(context))
    earlier = earlier_version(context)
    if earlier is not None:
        return earlier
    from pipelines.local import run_training

    with followed(context):
        result = run_training(asked.model, given_arguments(context), context.home, run_id=asked.run_id())
    return told(result)


def given_arguments(context: JobContext) -> dict[str, Any]:
    """Return the graph's arguments, with the data source as a path that the steps can read."""
    arguments = {k: v for k, v in context.asked.arguments.items() if v is not None}
    if "source" in arguments:
        arguments["source"] = training_source(context, str(arguments["source"]))
    return arguments


def earlier_version(context: JobContext) -> dict[str, Any] | None:
    """Return what an earlier attempt at this job registered before it was cut short; None when there is nothing."""
    asked = context.asked
    if asked.attempt == 1:
        return None
    from components.registry.versions import Registry

    runs = {asked.run_id(n) for n in range(1, asked.attempt)}
    for version in Registry().versions(asked.model):
        if version.tags.get("run_id") in runs:
            return version_facts(asked.model, version.version) | {"run_id": version.tags["run_id"]}
    return None


def version_facts(model: str, version: str) -> dict[str, Any]:
    """Return what the registry knows of a version that a job made."""
    from components.registry.versions import story

    found = next(v for v in story(model)["versions"] if v["version"] == version)
    return {
        "model": model,
        "version": version,
        "promoted": True,
        "reason": found["reason"],
        "metrics": found["metrics"],
        "artifact": found["uri"],
        "lineage": found["lineage"],
        "aliases": found["aliases"],
    }


def told(result: RunResult) -> dict[str, Any]:
    """Return the result of a graph that ended with the gate."""
    common = {
        "run_id": result.run_id,
        "seconds": dict(result.seconds),
        "report": str(result.report),
        "card": str(result.card),
    }
    if result.version is not None:
        return version_facts(result.model, result.version) | common
    evaluation = json.loads(result.evaluation.read_text(encoding="utf-8"))
    return {
        "model": result.model,
        "version": None,
        "promoted": result.promoted,
        "reason": result.reason,
        "metrics": evaluation.get("metrics", {}),
        "artifact": str(result.artifact),
        "lineage": json.loads(result.lineage.read_text(encoding="utf-8")),
        **common,
    }


@contextmanager
def followed(context: JobContext) -> Iterator[None]:
    """Tell the steps of this attempt's run as they begin and end."""
    log = context.home / "runs" / context.asked.run_id() / "kfp.log"
    done = threading.Event()

    def follow() -> None:
        while not done.wait(LOOK_S):
            context.show(read_steps(log))

    thread = threading.Thread(target=follow, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        context.show(read_steps(log))


def read_steps(log: Path) -> list[dict[str, Any]]:
    """Return the steps that a local run's log tells of, in the order in which they began."""
    steps: dict[str, dict[str, Any]] = {}
    if not log.exists():
        return []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith(MARK) and line.endswith("}"):
            _take(steps, json.loads(line.removeprefix(MARK)))
    return list(steps.values())


def _take(steps: dict[str, dict[str, Any]], event: Mapping[str, Any]) -> None:
    name = f"{event['step']} {event.get('label', '')}".strip()
    step = steps.setdefault(name, {"step": name, "state": "running"})
    if event["event"] == "end":
        step.update(state="done", seconds=event["seconds"])
    elif event["event"] == "error":
        step.update(state="failed", problem=event["problem"])
    elif event["event"] == "note":
        step["note"] = event["text"]
