"""What a cluster gives each step of a graph: image, resources, settings, secrets, time and retries.

The steps themselves know nothing of it, so that the same graph runs on one machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kfp import dsl, kubernetes

from components.images import image
from components.models.spec import ModelSpec

CONFIG_MAP = "arthaflow-settings"
CONFIG = (
    "ARTHAFLOW_HOME",
    "ARTHAFLOW_ARTIFACT_STORE",
    "ARTHAFLOW_TRACKING_URI",
    "ARTHAFLOW_S3_ENDPOINT",
    "ARTHAFLOW_S3_REGION",
    "ARTHAFLOW_FEATURE_SOURCE",
    "ARTHAFLOW_IMAGE_REGISTRY",
    "ARTHAFLOW_IMAGE_TAG",
    "ARTHAFLOW_KFP_HOST",
    "ARTHAFLOW_NODE_SELECTOR",
    "ARTHAFLOW_ACCELERATOR_SELECTOR",
    "ARTHAFLOW_TOLERATION",
    "ARTHAFLOW_PULL_SECRET",
)
SECRET = "arthaflow-s3"
SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
FEATURE_SECRET = "arthaflow-features"
FEATURE_SECRETS = (
    *(f"FEAST_POSTGRES_{name}" for name in ("HOST", "PORT", "DATABASE", "USER", "PASSWORD", "SSLMODE")),
    "FEAST_REDIS_URL",
)

LIGHT_ROLE = "train-tabular"
LIGHT_TIMEOUT_S = 3600
RETRIES = 2
BACKOFF_S = 30


def light(
    task: dsl.PipelineTask, cpu: str = "500m", memory: str = "1Gi", timeout_s: int = LIGHT_TIMEOUT_S
) -> dsl.PipelineTask:
    """Give a step the small image, a small request, a deadline and the installation's settings."""
    task.set_container_image(image(LIGHT_ROLE)).set_cpu_request(cpu).set_memory_request(memory)
    kubernetes.set_timeout(task, timeout_s)
    kubernetes.use_config_map_as_env(task, CONFIG_MAP, {name: name for name in CONFIG}, optional=True)
    kubernetes.use_secret_as_env(task, SECRET, {name: name for name in SECRETS}, optional=True)
    return task


def fresh(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """A small step that must run every time.

    Kubeflow's cache key has the image, the code, the parameters and the *names* of input artifacts; neither their
    content nor the environment (which store, which data). A step that reads either would be answered from the past.
    """
    return light(task).set_caching_options(False)


def heavy(task: dsl.PipelineTask, spec: ModelSpec) -> dsl.PipelineTask:
    """Give a step the image, the resources and the time that the spec asks for training; it is not cached."""
    training = spec.training
    light(task, training.cpu, training.memory, training.timeout_s)
    task.set_container_image(image(training.image)).set_caching_options(False)
    if training.accelerator:
        task.set_accelerator_type(training.accelerator).set_accelerator_limit(training.accelerators)
        kubernetes.add_toleration(task, key=taint(training.accelerator), operator="Exists", effect="NoSchedule")
    return task


def retried(task: dsl.PipelineTask, timeout_s: int = LIGHT_TIMEOUT_S) -> dsl.PipelineTask:
    """Let a step that may run twice be tried again after an evicted pod, a node's shutdown or a network that failed it.

    Kubeflow leaves Argo's policy at ``OnFailure``: a pod that was deleted, with its node or by hand, is an error to
    Argo and ends the run, and so does a driver that fails (kubeflow/pipelines#14266). Argo counts the longest back-off
    from the first attempt's start, so it has to cover every attempt.
    """
    waits = sum(BACKOFF_S * 2**n for n in range(RETRIES))
    longest = timeout_s * (RETRIES + 1) + waits
    return task.set_retry(RETRIES, f"{BACKOFF_S}s", 2.0, f"{longest}s")


def feature_store(task: dsl.PipelineTask) -> dsl.PipelineTask:
    """Give a step the addresses and the passwords of the cluster's feature store."""
    return kubernetes.use_secret_as_env(task, FEATURE_SECRET, {name: name for name in FEATURE_SECRETS}, optional=True)


def taint(accelerator: str) -> str:
    """Return the taint that nodes with an accelerator carry: ``nvidia.com/gpu`` for its MIG profiles too."""
    return f"{accelerator.partition('/')[0]}/gpu"


def without_retries(graph: Callable[..., Any]) -> Callable[..., Any]:
    """Return a built graph whose steps are tried once: on one machine no node gets lost, and waiting helps nobody."""
    spec = graph.pipeline_spec  # type: ignore[attr-defined]
    for component in (spec.root, *spec.components.values()):
        for task in component.dag.tasks.values():
            task.ClearField("retry_policy")
    return graph
