"""Tuning jobs: the search alone, or AutoML: search, train with the best, and hold it against production at the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.jobs.context import JobContext
from pipelines.jobs.kinds.training import earlier_version, followed, given_arguments, told


def tune(context: JobContext) -> dict[str, Any]:
    """Search hyper-parameters; nothing is trained beyond the trials, and nothing is registered.

    A search that was cut short goes on in its study: the same model, space, data, code and seed are the same study.
    """
    if context.config.target == "kubeflow":
        from pipelines.jobs.kinds.cluster import run_on_cluster

        return run_on_cluster(context, "tune", {**given_arguments(context), "train": False})
    from components.catalog import get_spec
    from pipelines.local import run_steps
    from pipelines.tune import tuning_arguments

    asked = context.asked
    spec = get_spec(asked.model)
    chosen = tuning_arguments(spec, {"engine": "optuna", **given_arguments(context)})
    with followed(context):
        run_id, directory, seconds = run_steps(
            spec.name, "tune", {**chosen, "train": False}, context.home, run_id=asked.run_id()
        )
    found = next(directory.glob("**/conclude/tuning"))
    return {"model": spec.name, "run_id": run_id, "seconds": seconds, **searched(found)}


def automl(context: JobContext) -> dict[str, Any]:
    """Search, then train with the best; the gate compares it with the baseline and with the version in production."""
    if context.config.target == "kubeflow":
        from pipelines.jobs.kinds.cluster import run_on_cluster

        return run_on_cluster(context, "tune", given_arguments(context))
    earlier = earlier_version(context)
    if earlier is not None:
        return earlier
    from pipelines.local import run_tuning

    asked = context.asked
    with followed(context):
        result = run_tuning(asked.model, given_arguments(context), context.home, run_id=asked.run_id())
    return {**told(result), **searched(result.artifacts["conclude/tuning"])}


def searched(found: Path) -> dict[str, Any]:
    """Return the search's part of a result."""
    facts: Mapping[str, Any] = json.loads(found.read_text(encoding="utf-8"))
    return {"best_params": facts["best_params"], "tuning": dict(facts)}
