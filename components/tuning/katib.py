"""A Katib Experiment from a model's search space, built with Katib's own typed models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.cluster_names import base_name
from components.errors import ConfigurationError
from components.models.spec import ModelSpec
from components.tuning.inputs import EMBEDDED
from components.tuning.katib_job import CONTAINER, Placement, trial_job
from components.tuning.katib_rules import LONGEST_NAME, check
from components.tuning.objective import BLOCKS, block_names, metric_name
from components.tuning.space import Parameter, Space

GROUP, VERSION, PLURAL = "kubeflow.org", "v1beta1", "experiments"
NAMESPACE = "arthaflow-training"
SPEC_HASH = "arthaflow.io/spec-hash"
FOLDS = 2
"""Tuning folds of the platform's walk-forward split: all but the last."""


@dataclass(frozen=True)
class Budget:
    """How much to search.

    Attributes
    ----------
    trials : int
        Trials besides the default, which is scored apart.
    parallel : int
        Trials at a time, at most ``trials``.
    seed : int
        Of the search and of the model.
    """

    trials: int = 12
    parallel: int = 2
    seed: int = 7

    def __post_init__(self) -> None:
        if self.trials < 1 or self.parallel < 1:
            raise ConfigurationError(
                f"trials={self.trials} with parallel={self.parallel} is no search.", "Use 1 or more of each."
            )


def build_experiment(
    spec: ModelSpec,
    space: Space,
    name: str,
    place: str = EMBEDDED,
    budget: Budget | None = None,
    blocks: int = BLOCKS * FOLDS,
    namespace: str = NAMESPACE,
    placement: Placement | None = None,
) -> dict[str, Any]:
    """Return the Experiment as JSON-ready values, checked by every rule of Katib's webhook.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    space : Space
        What is searched.
    name : str
        See :func:`experiment_name`.
    place : str
        Where the trials find their inputs, see :func:`components.tuning.inputs.read_inputs`.
    budget : Budget, optional
        How much to search.
    blocks : int
        Blocks of a score; each is a metric of its own, from which the noise is estimated.
    namespace : str
        Of the Experiment and its trials.
    placement : Placement, optional
        Where the trials may run.

    Raises
    ------
    ConfigurationError
        If Katib would refuse it.
    """
    from kubeflow import katib
    from kubernetes import client as k

    budget = budget or Budget()
    metric, others = metric_name(spec), block_names(blocks)
    labels = {"app.kubernetes.io/part-of": "arthaflow", "arthaflow.io/model": base_name(spec.name)}
    experiment = katib.V1beta1Experiment(
        api_version=f"{GROUP}/{VERSION}",
        kind="Experiment",
        metadata=k.V1ObjectMeta(name=name, namespace=namespace, labels=labels),
        spec=katib.V1beta1ExperimentSpec(
            objective=katib.V1beta1ObjectiveSpec(
                type="minimize",
                objective_metric_name=metric,
                additional_metric_names=others,
                metric_strategies=[katib.V1beta1MetricStrategy(name=n, value="latest") for n in (metric, *others)],
            ),
            algorithm=katib.V1beta1AlgorithmSpec(
                algorithm_name="tpe",
                algorithm_settings=[katib.V1beta1AlgorithmSetting(name="random_state", value=str(budget.seed))],
            ),
            parallel_trial_count=min(budget.parallel, budget.trials),
            max_trial_count=budget.trials,
            max_failed_trial_count=min(max(3, budget.trials // 4), budget.trials),
            resume_policy="Never",
            parameters=[_parameter(p) for p in space.parameters],
            metrics_collector_spec=katib.V1beta1MetricsCollectorSpec(
                collector=katib.V1beta1CollectorSpec(kind="StdOut")
            ),
            trial_template=katib.V1beta1TrialTemplate(
                primary_container_name=CONTAINER,
                # Katib deletes a trial's Job, and with it the log, the moment it ends otherwise; the Job's own time to
                # live clears it away.
                retain=True,
                trial_parameters=[
                    katib.V1beta1TrialParameterSpec(name=n, reference=n, description=f"hyper-parameter {n}")
                    for n in space.names
                ],
                trial_spec=trial_job(spec, _command(spec, space, place, budget.seed), labels, placement),
            ),
        ),
    )
    plain: dict[str, Any] = k.ApiClient().sanitize_for_serialization(experiment)
    plain["metadata"]["annotations"] = {SPEC_HASH: spec_hash(plain)}
    check(plain)
    return plain


def experiment_name(model: str, run_id: str) -> str:
    """Return a run's Experiment name: readable, at most 40 characters, the same for every attempt of the run."""
    digest = hashlib.sha256(f"{model}/{run_id}".encode()).hexdigest()[:10]
    return f"{base_name(model)[: LONGEST_NAME - len(digest) - 1].rstrip('-')}-{digest}"


def spec_hash(experiment: Mapping[str, Any]) -> str:
    """Return the SHA-256 of an Experiment's spec."""
    return hashlib.sha256(json.dumps(experiment["spec"], sort_keys=True).encode()).hexdigest()


def _command(spec: ModelSpec, space: Space, place: str, seed: int) -> list[str]:
    words = ["python", "-m", "components.tuning.trial", f"--model={spec.name}", f"--data={place}", f"--seed={seed}"]
    return [*words, *(f"--set={name}=${{trialParameters.{name}}}" for name in space.names)]


def _parameter(parameter: Parameter) -> Any:
    from kubeflow import katib

    if parameter.kind == "choice":
        kind, space = "categorical", katib.V1beta1FeasibleSpace(list=[str(c) for c in parameter.choices])
    else:
        kind = "int" if parameter.kind == "int" else "double"
        ends = (int(v) if kind == "int" else v for v in (parameter.low, parameter.high))
        low, high = (str(v) for v in ends)
        distribution = "logUniform" if parameter.log else "uniform"
        space = katib.V1beta1FeasibleSpace(min=low, max=high, distribution=distribution)
    return katib.V1beta1ParameterSpec(name=parameter.name, parameter_type=kind, feasible_space=space)
