"""The steps of the training graph as Kubeflow components: each unpacks paths and calls a plain function.

Kubeflow copies the source of these functions into the compiled pipeline, so they import inside and stay small; the
image of the training role holds the package itself.
"""

# mypy: disable-error-code="valid-type,no-untyped-def,misc,arg-type,call-arg"
# ruff: noqa: UP006, UP035  # the annotations are Kubeflow's

from typing import List, NamedTuple

from kfp import dsl

from components.images import image

IMAGE = image("train-tabular")  # the graph names a bigger one for the steps that need it


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ingest(
    source: str,
    bar: str,
    until: str,
    bars: dsl.Output[dsl.Dataset],
    market: dsl.Output[dsl.Dataset],
    counts: dsl.Output[dsl.Metrics],
):
    from pathlib import Path

    from components.stages import data
    from components.stages.step import step

    with step("ingest"):
        counts.metadata.update(data.ingest(source, bar, until, Path(bars.path), Path(market.path)))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def validate(
    bar: str,
    as_of: str,
    bars: dsl.Input[dsl.Dataset],
    accepted: dsl.Output[dsl.Dataset],
    rejected: dsl.Output[dsl.Dataset],
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    counts: dsl.Output[dsl.Metrics],
) -> NamedTuple("Checked", [("data_hash", str)]):
    from pathlib import Path

    from components.stages import data
    from components.stages.step import step

    with step("validate"):
        paths = [Path(a.path) for a in (accepted, rejected, page, summary)]
        checked = data.validate(Path(bars.path), bar, *paths, as_of=as_of)
        counts.metadata.update(checked.counts)
    return (checked.data_hash,)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def features(
    model: str, bars: dsl.Input[dsl.Dataset], market: dsl.Input[dsl.Dataset], table: dsl.Output[dsl.Dataset]
) -> NamedTuple("Features", [("definitions_hash", str)]):
    from pathlib import Path

    from components.stages import data
    from components.stages.step import step

    with step("features"):
        digest = data.features(model, Path(bars.path), Path(market.path), Path(table.path))
    return (digest,)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def split(
    model: str,
    horizons: List[str],
    params: str,
    seed: int,
    source: str,
    bar: str,
    until: str,
    run_id: str,
    data_hash: str,
    definitions_hash: str,
    table: dsl.Input[dsl.Dataset],
    bars: dsl.Input[dsl.Dataset],
    dataset: dsl.Output[dsl.Dataset],
    folds: dsl.Output[dsl.Artifact],
    lineage: dsl.Output[dsl.Artifact],
    counts: dsl.Output[dsl.Metrics],
):
    from pathlib import Path

    from components.stages import data
    from components.stages.request import Request
    from components.stages.step import step

    with step("split"):
        request = Request(model, tuple(horizons), params, seed)
        origin = data.trace(request, run_id, data_hash, definitions_hash, source, bar, until)
        origin.write(Path(lineage.path))
        counts.metadata.update(data.split(request, *(Path(a.path) for a in (table, bars, dataset, folds))))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def train_candidate(
    model: str,
    horizons: List[str],
    params: str,
    seed: int,
    name: str,
    dataset: dsl.Input[dsl.Dataset],
    folds: dsl.Input[dsl.Artifact],
    candidate: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
):
    from pathlib import Path

    from components.stages import learning
    from components.stages.request import Request
    from components.stages.step import step

    with step("train", name):
        request = Request(model, tuple(horizons), params, seed)
        told = learning.train(request, name, Path(dataset.path), Path(folds.path), Path(candidate.path))
        candidate.metadata["name"] = name
        metrics.metadata.update(told)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def evaluate(
    model: str,
    horizons: List[str],
    params: str,
    seed: int,
    dataset: dsl.Input[dsl.Dataset],
    folds: dsl.Input[dsl.Artifact],
    bars: dsl.Input[dsl.Dataset],
    candidates: dsl.Input[List[dsl.Model]],
    lineage: dsl.Input[dsl.Artifact],
    blend: dsl.Output[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    backtest: dsl.Output[dsl.Dataset],
    plots: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
):
    from pathlib import Path

    from components.stages import figures, learning
    from components.stages.request import Request
    from components.stages.step import step

    with step("evaluate"):
        request = Request(model, tuple(horizons), params, seed)
        trained = {str(c.metadata["name"]): Path(c.path) for c in candidates}
        inputs, outputs = [Path(a.path) for a in (dataset, folds, lineage)], (blend, evaluation, backtest)
        told = learning.evaluate(request, trained, *inputs, *(Path(a.path) for a in outputs))
        figures.draw(request, *(Path(a.path) for a in (evaluation, backtest, bars, plots)))
        metrics.metadata.update(learning.headline(told))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(
    model: str,
    horizons: List[str],
    policy: str,
    evaluation: dsl.Input[dsl.Artifact],
    decision: dsl.Output[dsl.Artifact],
    card: dsl.Output[dsl.Markdown],
) -> NamedTuple("Gate", [("promote", bool), ("reason", str)]):
    from pathlib import Path

    from components.stages import learning
    from components.stages.request import Request
    from components.stages.step import step

    with step("gate"):
        told = learning.gate(Request(model, tuple(horizons)), Path(evaluation.path), policy, Path(decision.path))
        Path(card.path).write_text(learning.decision_card(told))
    return (told["promote"], told["reason"])


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    model: str,
    horizons: List[str],
    params: str,
    seed: int,
    alias: str,
    blend: dsl.Input[dsl.Model],
    lineage: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    decision: dsl.Input[dsl.Artifact],
) -> NamedTuple("Registered", [("version", str)]):
    from pathlib import Path

    from components.stages import publishing
    from components.stages.request import Request
    from components.stages.step import step

    with step("register"):
        request = Request(model, tuple(horizons), params, seed)
        inputs = [Path(a.path) for a in (blend, lineage, evaluation, decision)]
        version = publishing.register(request, *inputs, alias)
    return (version,)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def refuse(
    model: str,
    horizons: List[str],
    params: str,
    seed: int,
    lineage: dsl.Input[dsl.Artifact],
    evaluation: dsl.Input[dsl.Artifact],
    decision: dsl.Input[dsl.Artifact],
) -> NamedTuple("Refused", [("version", str)]):
    from pathlib import Path

    from components.stages import publishing
    from components.stages.request import Request
    from components.stages.step import step

    with step("refuse"):
        request = Request(model, tuple(horizons), params, seed)
        publishing.refuse(request, Path(lineage.path), Path(evaluation.path), Path(decision.path))
    return ("",)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report(
    model: str,
    version: str,
    bars: dsl.Input[dsl.Dataset],
    evaluation: dsl.Input[dsl.Artifact],
    backtest: dsl.Input[dsl.Dataset],
    decision: dsl.Input[dsl.Artifact],
    lineage: dsl.Input[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    card: dsl.Output[dsl.Markdown],
    metrics: dsl.Output[dsl.Metrics],
):
    from pathlib import Path

    from components.stages import reporting
    from components.stages.step import step

    with step("report"):
        inputs = [Path(a.path) for a in (bars, evaluation, backtest, decision, lineage)]
        metrics.metadata.update(reporting.report(model, version, *inputs, Path(page.path), Path(card.path)))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def finish(model: str, run_id: str, status: dsl.PipelineTaskFinalStatus, summary: dsl.Output[dsl.Markdown]):
    from pathlib import Path

    from components.stages import publishing
    from components.stages.step import step

    with step("finish"):
        told = publishing.finish(
            model, run_id, status.state or "", status.pipeline_task_name or "", status.error_message or ""
        )
        Path(summary.path).write_text(told)
