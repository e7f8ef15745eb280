"""The steps of the drift check as Kubeflow components; see :mod:`components.steps` for their form."""

# mypy: disable-error-code="valid-type,no-untyped-def,misc,arg-type,call-arg"

from typing import NamedTuple

from kfp import dsl

from components.images import image

IMAGE = image("train-tabular")


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def ask_detector(
    model: str,
    url: str,
    verdict: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    metrics: dsl.Output[dsl.Metrics],
) -> bool:
    from pathlib import Path

    from components.stages import drift
    from components.stages.step import step

    with step("ask detector"):
        told = drift.ask(model, url, Path(verdict.path), Path(page.path))
        metrics.metadata.update(told.metrics)
    return told.drifted


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def request_retraining(
    model: str,
    wanted: bool,
    run_id: str,
    host: str,
    namespace: str,
    experiment: str,
    arguments: str,
    pause_hours: float,
    verdict: dsl.Input[dsl.Artifact],
    summary: dsl.Output[dsl.Markdown],
) -> NamedTuple("Requested", [("run", str)]):
    from pathlib import Path

    from components.stages import drift
    from components.stages.step import step

    with step("request retraining"):
        paths = Path(verdict.path), Path(summary.path)
        run = drift.retrain(model, wanted, run_id, host, namespace, experiment, arguments, pause_hours, *paths)
    return (run,)
