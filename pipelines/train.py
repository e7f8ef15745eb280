"""The training graph: one function per model, built from its spec, for ``kfp.local`` and for a cluster alike.

The graph stays flat: Kubeflow's local runner mixes nested pipelines with control flow badly.
"""

# mypy: disable-error-code="comparison-overlap"
# ruff: noqa: UP006, UP035, E712  # the annotations and the comparison are Kubeflow's

from collections.abc import Callable
from typing import Any, List

from kfp import dsl, kubernetes

from components import steps
from components.models.spec import ModelSpec
from components.stages.request import Request

CONFIG_MAP = "arthaflow-settings"
CONFIG = (
    "ARTHAFLOW_HOME",
    "ARTHAFLOW_ARTIFACT_STORE",
    "ARTHAFLOW_TRACKING_URI",
    "ARTHAFLOW_S3_ENDPOINT",
    "ARTHAFLOW_S3_REGION",
)
SECRET = "arthaflow-s3"
SECRETS = ("ARTHAFLOW_S3_ACCESS_KEY", "ARTHAFLOW_S3_SECRET_KEY")


def build(spec: ModelSpec) -> Callable[..., Any]:
    """Return the training graph of one model, to be compiled or run locally."""

    all_horizons, all_candidates = list(spec.horizons), Request(spec.name).candidates()

    @dsl.pipeline(name=f"train-{spec.name.replace('_', '-')}", description=f"Trains and registers: {spec.title}.")
    def training_pipeline(
        model: str = spec.name,
        source: str = "embedded",
        bar: str = "1d",
        until: str = "",
        as_of: str = "",
        horizons: List[str] = all_horizons,
        candidates: List[str] = all_candidates,
        params: str = "{}",
        seed: int = 7,
        policy: str = "gate",
        alias: str = "candidate",
    ) -> None:
        run_id = dsl.PIPELINE_JOB_ID_PLACEHOLDER
        asked = {"model": model, "horizons": horizons, "params": params, "seed": seed}
        done = light(steps.finish(model=model, run_id=run_id))
        with dsl.ExitHandler(done, name="train"):
            raw = fresh(steps.ingest(source=source, bar=bar, until=until))
            checked = light(steps.validate(bar=bar, as_of=as_of, bars=raw.outputs["bars"]))
            bars = checked.outputs["accepted"]
            table = fresh(steps.features(bars=bars, market=raw.outputs["market"]))
            data = light(
                steps.split(
                    **asked,
                    source=source,
                    bar=bar,
                    until=until,
                    run_id=run_id,
                    data_hash=checked.outputs["data_hash"],
                    definitions_hash=table.outputs["definitions_hash"],
                    table=table.outputs["table"],
                    bars=bars,
                )
            )
            rows = {"dataset": data.outputs["dataset"], "folds": data.outputs["folds"]}
            with dsl.ParallelFor(candidates, name="candidates") as name:
                trained = heavy(steps.train_candidate(**asked, **rows, name=name), spec)
            # Only here, outside the branches: the compiler cannot hand collected artifacts into a branch.
            members = dsl.Collected(trained.outputs["candidate"])
            origin = data.outputs["lineage"]
            judged = heavy(steps.evaluate(**asked, **rows, bars=bars, candidates=members, lineage=origin), spec)
            judged.set_caching_options(False)
            found = {"evaluation": judged.outputs["evaluation"], "lineage": origin}
            verdict = fresh(
                steps.gate(model=model, horizons=horizons, policy=policy, evaluation=judged.outputs["evaluation"])
            )
            decision = verdict.outputs["decision"]
            with dsl.If(verdict.outputs["promote"] == True, name="promoted"):
                blend = judged.outputs["blend"]
                kept = fresh(steps.register(**asked, **found, blend=blend, decision=decision, alias=alias))
            with dsl.Else(name="refused"):
                refused = fresh(steps.refuse(**asked, **found, decision=decision))
            version = dsl.OneOf(kept.outputs["version"], refused.outputs["version"])
            fresh(
                steps.report(
                    model=model,
                    version=version,
                    **found,
                    bars=bars,
                    backtest=judged.outputs["backtest"],
                    decision=decision,
                )
            )

    graph: Callable[..., Any] = training_pipeline
    return graph


def light(task: dsl.PipelineTask, cpu: str = "500m", memory: str = "1Gi") -> dsl.PipelineTask:
    """Give a step a small request and the installation's settings."""
    task.set_cpu_request(cpu).set_memory_request(memory)
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, {name: name for name in CONFIG}, optional=True)
    kubernetes.use_secret_as_env(task, SECRET, {name: name for name in SECRETS}, optional=True)
    return task


def fresh(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """A small step that must run every time: its answer depends on more than its inputs."""
    return light(task).set_caching_options(False)


def heavy(task: dsl.PipelineTask, spec: ModelSpec) -> dsl.PipelineTask:
    """Give a step what the spec asks for training."""
    light(task, spec.training.cpu, spec.training.memory)
    if spec.training.accelerator:
        task.set_accelerator_type(spec.training.accelerator).set_accelerator_limit(spec.training.accelerators)
    return task
