"""Submit a training graph to a Kubeflow Pipelines cluster, once or on a schedule."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.catalog import get_spec
from components.errors import ConfigurationError
from pipelines.arguments import training_arguments
from pipelines.compile import compile_pipeline

SCHEDULE_FIELDS = 6
TIMEOUT_S = 10.0


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
    """

    kind: str
    id: str
    url: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id}: {self.url}"


def submit(
    model: str,
    host: str,
    *,
    arguments: Mapping[str, Any] | None = None,
    experiment: str = "arthaflow",
    cron: str = "",
    namespace: str = "",
    token: str = "",
    pipeline_root: str = "",
    service_account: str = "",
) -> Submitted:
    """Compile the training graph of a model and submit it.

    Parameters
    ----------
    model : str
        Name in the catalogue.
    host : str
        URL of the Kubeflow Pipelines API.
    arguments : mapping, optional
        See :func:`pipelines.arguments.training_arguments`.
    experiment : str
        Made when it does not exist.
    cron : str
        Six fields, seconds first, for a recurring run; missed intervals are not caught up, because each run trains on
        all data until then. Empty for one run now.
    namespace, token, pipeline_root, service_account : str
        As the installation needs them; empty for its defaults.

    Raises
    ------
    ConfigurationError
        If the host cannot be reached or refuses, or the schedule cannot be right.
    """
    spec = get_spec(model)
    chosen = training_arguments(spec, arguments or {})
    if cron and len(cron.split()) != SCHEDULE_FIELDS:
        raise ConfigurationError(
            f"The schedule {cron!r} has {len(cron.split())} fields.",
            "Use six, seconds first: '0 0 2 * * *' is 02:00:00.",
        )
    with TemporaryDirectory() as scratch, _explained(host):
        package = compile_pipeline(spec.name, Path(scratch))
        client = _connect(host, namespace, token)
        made = client.create_experiment(experiment, namespace=namespace or None)
        shared = {
            "enable_caching": None,
            "pipeline_root": pipeline_root or None,
            "service_account": service_account or None,
        }
        if cron:
            # The graph travels with the schedule: a pipeline id would run whatever version is the default by then.
            job = client.create_recurring_run(
                made.experiment_id,
                f"train {spec.name}",
                cron_expression=cron,
                max_concurrency=1,
                no_catchup=True,
                params=chosen,
                pipeline_package_path=str(package),
                **shared,
            )
            kind, number, page = "recurring run", job.recurring_run_id, "recurringrun"
        else:
            run = client.create_run_from_pipeline_package(
                str(package), chosen, run_name=f"train {spec.name}", experiment_id=made.experiment_id, **shared
            )
            kind, number, page = "run", run.run_id, "runs"
    return Submitted(kind, number, f"{host.rstrip('/')}/#/{page}/details/{number}")


def _connect(host: str, namespace: str, token: str) -> Any:
    if not host:
        raise ConfigurationError(
            "No Kubeflow Pipelines host was given.", "Pass --host http://..., or set ARTHAFLOW_KFP_HOST."
        )
    import httpx
    from kfp import Client

    # The client itself asks an unreachable host for half a minute before it gives up.
    httpx.get(f"{host.rstrip('/')}/apis/v2beta1/healthz", timeout=TIMEOUT_S)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return Client(host, namespace=namespace or "kubeflow", existing_token=token or None)


@contextmanager
def _explained(host: str) -> Iterator[None]:
    import httpx
    from kfp_server_api import ApiException  # type: ignore[import-untyped]
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise ConfigurationError(
            f"Kubeflow Pipelines at {host} answered {error.status} {error.reason}.",
            "Check --host, the namespace and your token.",
        ) from error
    except (HTTPError, OSError, httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConfigurationError(
            f"Kubeflow Pipelines at {host!r} cannot be reached ({type(error).__name__}).",
            "Check --host; `kubectl port-forward svc/ml-pipeline-ui 8080:80 -n kubeflow` makes it http://localhost:8080.",
        ) from error
