"""Submit a graph to a Kubeflow Pipelines cluster, once or on a schedule."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.catalog import get_spec
from pipelines.cluster_options import ClusterOptions
from pipelines.compile import compile_pipeline
from pipelines.cron import check_cron, from_five
from pipelines.graph_arguments import graph_arguments
from pipelines.kubeflow import Kubeflow, connect
from pipelines.listing import everything, named

BY_THE_SPEC = "spec"
"""As a schedule: the one that the model's spec names."""


@dataclass(frozen=True)
class Submitted:
    """What the cluster accepted.

    Attributes
    ----------
    kind : str
        ``run`` or ``recurring run``.
    id : str
        Of the run, or of the recurring run.
    url : str
        Page of it in the Kubeflow UI.
    pipeline, version : str
        Ids of the uploaded pipeline and of its version that runs.
    replaced : tuple of str
        Ids of the recurring runs of the same name that this one took the place of.
    existed : bool
        Whether it was there already, as asked, and nothing was made.
    """

    kind: str
    id: str
    url: str
    pipeline: str = ""
    version: str = ""
    replaced: tuple[str, ...] = ()
    existed: bool = False

    def __str__(self) -> str:
        return f"{self.kind} {self.id}: {self.url}"


def submit(
    model: str,
    host: str,
    *,
    graph: str = "train",
    arguments: Mapping[str, Any] | None = None,
    experiment: str = "arthaflow",
    cron: str = "",
    run_name: str = "",
    once: bool = False,
    namespace: str = "",
    token: str = "",
    pipeline_root: str = "",
    service_account: str = "",
    options: ClusterOptions | None = None,
) -> Submitted:
    """Compile a graph of a model, upload it, and run it.

    The uploaded version is named after its content: the same graph is uploaded once, and a schedule goes on running the
    version that it was made with.

    Parameters
    ----------
    model : str
        Name in the catalogue.
    host : str
        URL of the Kubeflow Pipelines API.
    graph : str
        ``train``, ``tune``, ``drift`` or ``rollout``.
    arguments : mapping, optional
        Of the graph; see :func:`pipelines.graph_arguments.graph_arguments`.
    experiment : str
        Made when it does not exist.
    cron : str
        Six fields, seconds first, or ``spec`` for the spec's own, for a recurring run that takes the place of the one
        of the same name; missed intervals are not caught up, because each run works on all data until then, and runs
        never overlap. Empty for one run now.
    run_name : str
        In the interface; ``<graph> <model>`` when empty.
    once : bool
        Return the run of this name in the experiment if there is one, so that a step that is tried again asks once.
    namespace, token, pipeline_root, service_account : str
        As the installation needs them; empty for its defaults. See :func:`pipelines.kubeflow.connect`.
    options : ClusterOptions, optional
        Where the steps run, and the caching switch.

    Raises
    ------
    ConfigurationError
        If the host cannot be reached or refuses, or the schedule or an argument cannot be right.
    """
    spec = get_spec(model)
    name = run_name or f"{graph} {spec.name}"
    schedule = check_cron(from_five(spec.training.schedule) if cron == BY_THE_SPEC else cron) if cron else ""
    with TemporaryDirectory() as scratch:
        package = compile_pipeline(spec.name, Path(scratch), graph, options)
        chosen = graph_arguments(graph, spec, package, arguments or {})
        with connect(host, namespace, token) as cluster, redirect_stdout(io.StringIO()):
            made = cluster.client.create_experiment(experiment, namespace=cluster.namespace)
            if once and not schedule:
                for earlier in named(cluster.client.list_runs, name, experiment_id=made.experiment_id):
                    return Submitted("run", earlier.run_id, cluster.page("runs", earlier.run_id), existed=True)
            pipeline, number = upload(cluster, package)
            asked = {
                "experiment_id": made.experiment_id,
                "job_name": name,
                "params": chosen,
                "pipeline_id": pipeline,
                "version_id": number,
                "pipeline_root": pipeline_root or None,
                "service_account": service_account or None,
            }
            if schedule:
                return _schedule(cluster, schedule, asked)
            run = cluster.client.run_pipeline(**asked)
            return Submitted("run", run.run_id, cluster.page("runs", run.run_id), pipeline, number)


def upload(cluster: Kubeflow, package: Path) -> tuple[str, str]:
    """Upload a compiled graph unless this very content is there; return the ids of the pipeline and of the version."""
    import yaml

    text = package.read_text(encoding="utf-8")
    name = next(yaml.safe_load_all(text))["pipelineInfo"]["name"]
    content = f"{version('arthaflow')}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    client = cluster.client
    pipeline = next(named(client.list_pipelines, name, namespace=cluster.namespace), None)
    if pipeline is None:
        # Not client.upload_pipeline: it names the first version after the pipeline, whatever its content is.
        body = client.api_models.V2beta1Pipeline(name=name, display_name=name, namespace=cluster.namespace)
        pipeline = client.pipelines.pipeline_service_create_pipeline(pipeline=body)
    number = str(pipeline.pipeline_id)
    kept = next(named(client.list_pipeline_versions, content, pipeline_id=number), None)
    if kept is None:
        kept = client.upload_pipeline_version(str(package), content, pipeline_id=number)
    return number, str(kept.pipeline_version_id)


def _schedule(cluster: Kubeflow, cron: str, asked: Mapping[str, Any]) -> Submitted:
    """Make a recurring run and remove the others of its name, in this order: a schedule is never missing."""
    client = cluster.client
    earlier = list(named(client.list_recurring_runs, asked["job_name"], experiment_id=asked["experiment_id"]))
    job = next((job for job in earlier if _is_as_asked(job, cron, asked)), None)
    existed = job is not None
    if job is None:
        job = client.create_recurring_run(cron_expression=cron, max_concurrency=1, no_catchup=True, **asked)
    number = job.recurring_run_id
    others = tuple(other.recurring_run_id for other in earlier if other.recurring_run_id != number)
    for other in others:
        client.delete_recurring_run(other)
    page = cluster.page("recurringrun", number)
    return Submitted("recurring run", number, page, asked["pipeline_id"], asked["version_id"], others, existed)


def _is_as_asked(job: Any, cron: str, asked: Mapping[str, Any]) -> bool:
    trigger, reference, config = job.trigger, job.pipeline_version_reference, job.runtime_config
    return (
        str(job.mode) == "ENABLE"
        and bool(job.no_catchup)
        and str(job.max_concurrency) == "1"
        and trigger is not None
        and trigger.cron_schedule is not None
        and trigger.cron_schedule.cron == cron
        and reference is not None
        and reference.pipeline_version_id == asked["version_id"]
        and config is not None
        and (config.parameters or {}) == asked["params"]
        and (config.pipeline_root or None) == asked["pipeline_root"]
        and (not asked["service_account"] or job.service_account == asked["service_account"])
    )


def runs_of(cluster: Kubeflow, model: str, experiment_id: str) -> Iterator[Any]:
    """Yield the training runs of a model, the youngest first, however they were started."""
    start = f"train {model}"
    runs = everything(cluster.client.list_runs, experiment_id=experiment_id, sort_by="created_at desc")
    return (run for run in runs if run.display_name == start or run.display_name.startswith(f"{start} "))
