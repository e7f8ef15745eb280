"""The steps of the rollout graph as Kubeflow components: each unpacks paths and calls a plain function."""

# mypy: disable-error-code="valid-type,no-untyped-def,misc,arg-type,call-arg"

from typing import NamedTuple

from kfp import dsl

from components.images import image

IMAGE = image("train-tabular")


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def prepare_rollout(
    model: str,
    version: str,
    artifact: str,
    namespace: str,
    mode: str,
    prometheus: str,
    steps: str,
    soak_s: float,
    max_wait_s: float,
    drain_s: float,
    ready_timeout_s: float,
    on_inconclusive: str,
    run_id: str,
    longest: int,
) -> NamedTuple("Prepared", [("action", str), ("request", str)]):
    from components.registry.lineage import run_id as run_id_of
    from components.stages import rollout
    from components.stages.step import step

    with step("prepare"):
        asked = rollout.Asked(
            model=model,
            version=version,
            artifact=artifact,
            namespace=namespace,
            mode=mode,
            prometheus=prometheus,
            steps=steps,
            soak_s=soak_s,
            max_wait_s=max_wait_s,
            drain_s=drain_s,
            ready_timeout_s=ready_timeout_s,
            on_inconclusive=on_inconclusive,
        )
        action, request = rollout.prepare(asked, run_id_of(run_id), longest)
    return (action, request)


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def canary_step(
    request: str,
    run_id: str,
    index: int,
    before: str,
    history: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
) -> str:
    from pathlib import Path

    from components.registry.lineage import run_id as run_id_of
    from components.stages import rollout
    from components.stages.step import step

    with step("canary", str(index + 1)):
        action, scalars = rollout.step(request, run_id_of(run_id), index, before, Path(history.path))
        metrics.metadata.update(scalars)
    return action


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def promote(
    request: str,
    run_id: str,
    action: str,
    page: dsl.Output[dsl.HTML],
    card: dsl.Output[dsl.Markdown],
    history: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
):
    from pathlib import Path

    from components.registry.lineage import run_id as run_id_of
    from components.stages import rollout
    from components.stages.step import step

    with step("promote"):
        paths = [Path(a.path) for a in (page, card, history)]
        metrics.metadata.update(rollout.conclude(request, run_id_of(run_id), action, *paths))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def roll_back(
    request: str,
    run_id: str,
    action: str,
    page: dsl.Output[dsl.HTML],
    card: dsl.Output[dsl.Markdown],
    history: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
):
    from pathlib import Path

    from components.registry.lineage import run_id as run_id_of
    from components.stages import rollout
    from components.stages.step import step

    with step("roll_back"):
        paths = [Path(a.path) for a in (page, card, history)]
        metrics.metadata.update(rollout.conclude(request, run_id_of(run_id), action, *paths))


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def finish_rollout(
    model: str,
    namespace: str,
    mode: str,
    drain_s: float,
    on_inconclusive: str,
    run_id: str,
    status: dsl.PipelineTaskFinalStatus,
    summary: dsl.Output[dsl.Markdown],
):
    from pathlib import Path

    from components.registry.lineage import run_id as run_id_of
    from components.stages import rollout
    from components.stages.step import step

    with step("finish"):
        asked = rollout.Asked(model, namespace=namespace, mode=mode, drain_s=drain_s, on_inconclusive=on_inconclusive)
        told = rollout.finish(asked, run_id_of(run_id), status.state, status.error_message or "")
        Path(summary.path).write_text(told)
