"""The training graph: one function per model, built from its spec, for ``kfp.local`` and for a cluster alike.

The graph stays flat: Kubeflow's local runner mixes nested pipelines with control flow badly.
"""

# mypy: disable-error-code="comparison-overlap"
# ruff: noqa: UP006, UP035, E712  # the annotations and the comparison are Kubeflow's

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, List

from kfp import dsl

from components import steps
from components.cluster_names import base_name
from components.models.spec import ModelSpec
from components.stages.request import Request
from pipelines.placement import feature_store, fresh, heavy, retried


def build(spec: ModelSpec) -> Callable[..., Any]:
    """Return the training graph of one model, to be compiled or run locally."""

    all_horizons, all_candidates = list(spec.horizons), Request(spec.name).candidates()

    @dsl.pipeline(name=f"train-{base_name(spec.name)}", description=f"Trains and registers: {spec.title}.")
    def training_pipeline(
        model: str = spec.name,
        source: str = spec.source,
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
        done = fresh(steps.finish(model=model, run_id=run_id))
        with dsl.ExitHandler(done, name="train"):
            data = prepare(asked, source=source, bar=bar, until=until, as_of=as_of, run_id=run_id)
            learn(spec, asked, data, candidates, policy, alias)

    graph: Callable[..., Any] = training_pipeline
    return graph


@dataclass(frozen=True)
class Prepared:
    """Outputs of the steps before training: checked bars, dataset, folds and lineage."""

    bars: Any
    dataset: Any
    folds: Any
    lineage: Any


def prepare(asked: Mapping[str, Any], *, source: Any, bar: Any, until: Any, as_of: Any, run_id: str) -> Prepared:
    """Add the steps from the data's source to the folds."""
    raw = retried(fresh(steps.ingest(source=source, bar=bar, until=until)))
    checked = retried(fresh(steps.validate(bar=bar, as_of=as_of, bars=raw.outputs["bars"])))
    bars = checked.outputs["accepted"]
    table = retried(feature_store(fresh(steps.features(model=asked["model"], bars=bars, market=raw.outputs["market"]))))
    data = fresh(
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
    retried(data)
    return Prepared(bars, data.outputs["dataset"], data.outputs["folds"], data.outputs["lineage"])


def learn(spec: ModelSpec, asked: Mapping[str, Any], data: Prepared, candidates: Any, policy: Any, alias: Any) -> None:
    """Add the steps from training the candidates to the report; of one graph, since Kubeflow's stay flat."""
    rows, bars, origin = {"dataset": data.dataset, "folds": data.folds}, data.bars, data.lineage
    # Without a name: up to 2.16 at least, the backend does not find what is collected from a loop that has one
    # (kubeflow/pipelines#13239).
    with dsl.ParallelFor(candidates) as name:
        trained = heavy(steps.train_candidate(**asked, **rows, name=name), spec)
        retried(trained, spec.training.timeout_s)
    # Only here, outside the branches: the compiler cannot hand collected artifacts into a branch.
    members = dsl.Collected(trained.outputs["candidate"])
    judged = heavy(steps.evaluate(**asked, **rows, bars=bars, candidates=members, lineage=origin), spec)
    retried(judged, spec.training.timeout_s)
    model, horizons = asked["model"], asked["horizons"]
    found = {"evaluation": judged.outputs["evaluation"], "lineage": origin}
    verdict = fresh(steps.gate(model=model, horizons=horizons, policy=policy, evaluation=judged.outputs["evaluation"]))
    retried(verdict)
    decision = verdict.outputs["decision"]
    with dsl.If(verdict.outputs["promote"] == True, name="promoted"):
        blend = judged.outputs["blend"]
        kept = fresh(steps.register(**asked, **found, blend=blend, decision=decision, alias=alias))
        retried(kept)  # it finds the version that an earlier attempt of the same run registered
    with dsl.Else(name="refused"):
        # Not tried again: a second attempt would record the refusal twice.
        refused = fresh(steps.refuse(**asked, **found, decision=decision))
    version = dsl.OneOf(kept.outputs["version"], refused.outputs["version"])
    told = steps.report(
        model=model, version=version, **found, bars=bars, backtest=judged.outputs["backtest"], decision=decision
    )
    retried(fresh(told))
