"""The drift graph: ask the model's detector, show its verdict, and ask for a training run where the inputs drifted."""

# mypy: disable-error-code="comparison-overlap"
# ruff: noqa: E712  # the comparison is Kubeflow's

from collections.abc import Callable
from typing import Any

from kfp import dsl

from components import drift_steps as steps
from components.cluster_names import base_name
from components.models.spec import ModelSpec
from pipelines.placement import fresh, retried

NAMESPACE = "arthaflow"


def detector_url(spec: ModelSpec, namespace: str = NAMESPACE) -> str:
    """Return where a cluster serves the model's detector: an InferenceService of its own."""
    return f"http://{base_name(spec.name)}-detector-predictor.{namespace}.svc"


def build_drift(spec: ModelSpec) -> Callable[..., Any]:
    """Return the drift graph of one model.

    Its parameters: ``url`` of the detector; ``retrain``, whether drift asks for a training run; ``pause_hours`` after
    one, in which no other is asked for; ``arguments`` of the training run as JSON; ``kfp_host``, ``namespace`` and
    ``experiment`` of that run, where the settings' are not right.
    """

    @dsl.pipeline(name=f"drift-{base_name(spec.name)}", description=f"Looks for drift: {spec.title}.")
    def drift_pipeline(
        model: str = spec.name,
        url: str = detector_url(spec),
        retrain: bool = True,
        pause_hours: float = 24.0,
        arguments: str = "{}",
        kfp_host: str = "",
        namespace: str = "",
        experiment: str = "arthaflow",
    ) -> None:
        asked = retried(fresh(steps.ask_detector(model=model, url=url)))
        # A step's only returned value: the local runner resolves no other in a condition of its own.
        with dsl.If(asked.outputs["Output"] == True, name="drifted"):
            requested = steps.request_retraining(
                model=model,
                wanted=retrain,
                verdict=asked.outputs["verdict"],
                run_id=dsl.PIPELINE_JOB_ID_PLACEHOLDER,
                host=kfp_host,
                namespace=namespace,
                experiment=experiment,
                arguments=arguments,
                pause_hours=pause_hours,
            )
            retried(fresh(requested))  # the training run is named after this run, so a second attempt finds it

    graph: Callable[..., Any] = drift_pipeline
    return graph
