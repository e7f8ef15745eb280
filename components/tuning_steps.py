"""The steps of the tuning graph as Kubeflow components; see :mod:`components.steps`."""

# mypy: disable-error-code="valid-type,no-untyped-def,misc,arg-type,call-arg"
# ruff: noqa: UP006, UP035  # the annotations are Kubeflow's

from typing import List, NamedTuple

from kfp import dsl

from components.images import image

TRAIN = image("train-tabular")  # the graph names a bigger one for the steps that need it
TUNE = image("tune")


@dsl.component(base_image=TRAIN, install_kfp_package=False)
def search(
    model: str,
    horizons: List[str],
    params: str,
    seed: int,
    engine: str,
    trials: int,
    timeout_s: int,
    dataset: dsl.Input[dsl.Dataset],
    folds: dsl.Input[dsl.Artifact],
    lineage: dsl.Input[dsl.Artifact],
    inputs: dsl.Output[dsl.Artifact],
    start: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
):
    from pathlib import Path

    from components.stages import tuning
    from components.stages.request import Request
    from components.stages.step import step

    with step("search"):
        request = Request(model, tuple(horizons), params, seed)
        places = (Path(a.path) for a in (dataset, folds, lineage, inputs, start))
        metrics.metadata.update(tuning.search(request, engine, trials, timeout_s, *places))


@dsl.component(base_image=TUNE, install_kfp_package=False)
def tune(
    model: str,
    run_id: str,
    trials: int,
    parallel: int,
    seed: int,
    timeout_s: int,
    keep: bool,
    inputs: dsl.Input[dsl.Artifact],
    start: dsl.Input[dsl.Artifact],
    found: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
):
    from pathlib import Path

    from components.stages import tuning
    from components.stages.step import step

    with step("tune"):
        places = Path(inputs.path), Path(start.path)
        told = tuning.tune(model, run_id, *places, trials, parallel, seed, timeout_s, keep, Path(found.path))
        metrics.metadata.update(told)


@dsl.component(base_image=TRAIN, install_kfp_package=False)
def conclude(
    model: str,
    horizons: List[str],
    params: str,
    seed: int,
    found: dsl.Input[dsl.Artifact],
    folds: dsl.Input[dsl.Artifact],
    lineage: dsl.Input[dsl.Artifact],
    kept_folds: dsl.Output[dsl.Artifact],
    tuned_lineage: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    tuning: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> NamedTuple("Tuned", [("best", str)]):
    from pathlib import Path

    from components.stages import tuning as stage
    from components.stages.request import Request
    from components.stages.step import step

    with step("conclude"):
        request = Request(model, tuple(horizons), params, seed)
        places = (found, folds, lineage, kept_folds, tuned_lineage, page, tuning)
        best = stage.conclude(request, *(Path(a.path) for a in places))
        metrics.metadata.update(stage.figures(Path(tuning.path)))
    return (best,)


@dsl.component(base_image=TUNE, install_kfp_package=False)
def end(
    model: str,
    run_id: str,
    engine: str,
    train: bool,
    status: dsl.PipelineTaskFinalStatus,
    summary: dsl.Output[dsl.Markdown],
):
    from pathlib import Path

    from components.stages import publishing, tuning
    from components.stages.step import step

    with step("finish"):
        told = publishing.finish(
            model, run_id, status.state or "", status.pipeline_task_name or "", status.error_message or "", train
        )
        Path(summary.path).write_text(told + tuning.clean_up(model, run_id, status.state or "", engine))
