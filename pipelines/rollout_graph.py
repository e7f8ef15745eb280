"""The rollout graph: prepare, a step for each share of the traffic, then promote or roll back; for a cluster's KServe.

Every step may be killed and tried again: what was decided stands in the cluster, see :mod:`components.rollout.course`.
"""

# mypy: disable-error-code="comparison-overlap"

from collections.abc import Callable
from typing import Any

from kfp import dsl, kubernetes

from components import rollout_steps
from components.cluster_names import base_name
from components.models.spec import ModelSpec
from pipelines.placement import fresh, retried

STEPS = (10, 50, 100)
LONGEST_S = 24 * 3600
"""Deadline of a step: above any sensible soak, so that it is ``max_wait_s`` that ends a step."""
PROMETHEUS = "http://prometheus-operated.monitoring.svc:9090"


def build_rollout(spec: ModelSpec, steps: tuple[int, ...] = STEPS) -> Callable[..., Any]:
    """Return the rollout graph of one model.

    Its parameters: ``version`` (number or alias) and ``artifact`` (empty: as registered); ``namespace``, ``mode``
    (Standard or Knative) and ``prometheus`` of the installation; ``steps``, ``soak_s``, ``max_wait_s`` and
    ``on_inconclusive`` (rollback or hold) of the plan; ``drain_s`` and ``ready_timeout_s``.

    Parameters
    ----------
    steps : tuple of int
        Default percentages; a run may ask for others, but not for more of them.
    """

    count, shares = len(steps), ",".join(map(str, steps))

    @dsl.pipeline(name=f"rollout-{base_name(spec.name)}", description=f"Rolls a version out: {spec.title}.")
    def rollout_pipeline(
        model: str = spec.name,
        version: str = "candidate",
        artifact: str = "",
        namespace: str = "arthaflow",
        mode: str = "Standard",
        prometheus: str = PROMETHEUS,
        steps: str = shares,
        soak_s: float = 600.0,
        max_wait_s: float = 3600.0,
        on_inconclusive: str = "rollback",
        drain_s: float = 15.0,
        ready_timeout_s: float = 900.0,
    ) -> None:
        run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        place = {"model": model, "namespace": namespace, "mode": mode, "drain_s": drain_s}
        done = rollout_steps.finish_rollout(**place, on_inconclusive=on_inconclusive, run_id=run_id)
        with dsl.ExitHandler(retried(fresh(done)), name="rollout"):
            prepared = _long(
                rollout_steps.prepare_rollout(
                    **place,
                    version=version,
                    artifact=artifact,
                    prometheus=prometheus,
                    steps=steps,
                    soak_s=soak_s,
                    max_wait_s=max_wait_s,
                    ready_timeout_s=ready_timeout_s,
                    on_inconclusive=on_inconclusive,
                    run_id=run_id,
                    longest=count,
                )
            )
            asked = {"request": prepared.outputs["request"], "run_id": run_id}
            action = prepared.outputs["action"]
            for index in range(count):
                task = _long(rollout_steps.canary_step(**asked, index=index, before=action))
                action = task.set_display_name(f"canary step {index + 1}").outputs["Output"]
            with dsl.If(action == "advance", name="promoted"):
                _long(rollout_steps.promote(**asked, action=action))
            with dsl.Else(name="not-promoted"):
                _long(rollout_steps.roll_back(**asked, action=action))

    graph: Callable[..., Any] = rollout_pipeline
    return graph


def _long(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """A step that waits for others: small, never cached, with a long deadline, and tried again when its pod is lost."""
    return retried(kubernetes.set_timeout(fresh(task), LONGEST_S), LONGEST_S)
