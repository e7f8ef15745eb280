"""Ask a cluster for a training run because of drift: one per drift check, and none while one is new.

A step of a graph cannot import Kubeflow's client: its runtime hides it. The step runs this module as a process of its
own, with JSON on standard input and output.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from components import errors
from components.catalog import get_spec
from components.errors import ArthaflowError, ConfigurationError
from components.models.spec import ModelSpec

IN_CLUSTER = "http://ml-pipeline.kubeflow.svc:8888"
RUNTIME = "_KFP_RUNTIME"
"""Set while a step runs; with it, ``import kfp`` has neither client nor compiler."""
RUNNING = ("PENDING", "RUNNING", "PAUSED", "CANCELING", "RUNTIME_STATE_UNSPECIFIED")


@dataclass(frozen=True)
class Requested:
    """What was done.

    Attributes
    ----------
    sentence : str
        For a person.
    run_id, url : str
        Of the training run; empty when none was asked for.
    """

    sentence: str
    run_id: str = ""
    url: str = ""


def request_retraining(
    spec: ModelSpec,
    cause: str,
    host: str = "",
    *,
    namespace: str = "",
    experiment: str = "arthaflow",
    arguments: str = "{}",
    pause_hours: float = 24.0,
) -> Requested:
    """Submit the training graph, unless a training run is under way or younger than the pause.

    Drift goes on until a version that knows the new data is served, and it is looked for every hour: without the pause
    each look would train again.

    Parameters
    ----------
    spec : ModelSpec
        The model.
    cause : str
        Id of the drift check; asked for again, its own run is returned.
    host : str
        Of the Kubeflow Pipelines API; by default ``ARTHAFLOW_KFP_HOST``, else the service in the cluster.
    arguments : str
        Of the training run, as a JSON object.
    pause_hours : float
        Hours since the youngest training run was made; 0 for no pause.

    Raises
    ------
    ConfigurationError
        If the arguments are no JSON object, or the cluster refuses.
    """
    from pipelines.cluster_options import ClusterOptions
    from pipelines.kubeflow import connect
    from pipelines.submit import runs_of, submit

    host = host or os.environ.get("ARTHAFLOW_KFP_HOST", "") or IN_CLUSTER
    name = f"train {spec.name} for drift {cause}"
    given = _read(arguments)
    with connect(host, namespace) as cluster, redirect_stdout(io.StringIO()):
        made = cluster.client.create_experiment(experiment, namespace=cluster.namespace)
        youngest = next(runs_of(cluster, spec.name, made.experiment_id), None)
        if youngest is not None and youngest.display_name != name:
            page = cluster.page("runs", youngest.run_id)
            if str(youngest.state) in RUNNING:
                return Requested(f"No training run was asked for: {page} is under way.")
            if datetime.now(UTC) - youngest.created_at < timedelta(hours=pause_hours):
                since = f"{youngest.created_at:%Y-%m-%d %H:%M} UTC"
                return Requested(
                    f"No training run was asked for: {page} was made {since}, less than {pause_hours:g} h ago."
                )
    asked = submit(
        spec.name,
        host,
        arguments=given,
        experiment=experiment,
        run_name=name,
        once=True,
        namespace=namespace,
        options=ClusterOptions.from_environment(),
    )
    return Requested(f"A training run was asked for: {asked.url}", asked.id, asked.url)


def _read(arguments: str) -> dict[str, Any]:
    try:
        given = json.loads(arguments or "{}")
    except json.JSONDecodeError as error:
        raise ConfigurationError(
            f"The training run's arguments {arguments!r} are not JSON ({error}).", 'Write {"until": "2026-01-31"}.'
        ) from error
    if not isinstance(given, dict):
        raise ConfigurationError(
            f"The training run's arguments {arguments!r} are no JSON object.", 'Write {"until": "2026-01-31"}.'
        )
    return given


def request_from_step(model: str, cause: str, host: str, **given: Any) -> Requested:
    """Call :func:`request_retraining` from within a step.

    Raises
    ------
    ArthaflowError
        What it raised there.
    """
    asked = json.dumps({"model": model, "cause": cause, "host": host, **given})
    environment = {name: value for name, value in os.environ.items() if name != RUNTIME}
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.retraining"], input=asked, stdout=subprocess.PIPE, text=True,
        env=environment, check=False,
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 and done.stdout else {}
    if "error" in told:
        kind, problem, remedy = told["error"]
        raise getattr(errors, kind, ArthaflowError)(problem, remedy)
    if not told:
        raise ArthaflowError(f"Asking for a training run ended with status {done.returncode}.", "See the step's log.")
    return Requested(**told)


def main() -> None:
    """Read what is asked from standard input, and write what was done to standard output."""
    given = json.load(sys.stdin)
    try:
        told: dict[str, Any] = asdict(request_retraining(get_spec(given.pop("model")), **given))
    except ArthaflowError as error:
        told = {"error": [type(error).__name__, error.problem, error.remedy]}
    sys.stdout.write(f"{json.dumps(told)}\n")


if __name__ == "__main__":
    main()
