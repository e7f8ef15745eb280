"""Runs in MLflow: on SQLite with file artifacts on one machine, on a tracking server on a cluster.

MLflow takes seconds to import, so everything here imports it on use, and reports nothing to anyone.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import ConfigurationError, OutOfSpace
from components.settings import Settings, settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
}
"""No telemetry, and an unreachable server is reported in seconds instead of minutes."""

MAX_TAG = 5000


def database(config: Settings) -> Path | None:
    """Return SQLite's file, or None when the tracking URI is a server's."""
    uri = config.mlflow_uri
    return Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None


def is_empty(config: Settings | None = None) -> bool:
    """Whether nothing can be registered because the database was never made; answered without importing MLflow."""
    path = database(config or settings())
    return path is not None and not path.exists()


def open_client(config: Settings | None = None) -> MlflowClient:
    """Return a client of the tracking server and registry in the settings; SQLite's file is made when missing."""
    config = config or settings()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    path = database(config)
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
    from mlflow.tracking import MlflowClient

    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    with explained(config):
        return MlflowClient(config.mlflow_uri, config.mlflow_uri)


def record_run(
    name: str,
    *,
    tags: Mapping[str, str],
    params: Mapping[str, Any] | None = None,
    metrics: Mapping[str, float] | None = None,
    files: Mapping[str, Path] | None = None,
    failed: bool = False,
    client: MlflowClient | None = None,
    config: Settings | None = None,
) -> str:
    """Write one run of a model's experiment and return its id.

    Parameters
    ----------
    name : str
        The model, which is the experiment's name.
    tags, params, metrics : mapping
        As MLflow keeps them; metrics that are not finite are left out.
    files : mapping of str to Path
        Files to keep with the run, by folder.
    failed : bool
        Mark the run as failed.
    """
    config = config or settings()
    client = client or open_client(config)
    with explained(config):
        kept = {k: v[:MAX_TAG] for k, v in tags.items()}
        run = client.create_run(_experiment(client, name, config), tags=kept, run_name=kept.get("arthaflow.run_id"))
        run_id = str(run.info.run_id)
        _log(client, run_id, params or {}, metrics or {})
        for folder, path in (files or {}).items():
            client.log_artifact(run_id, str(path), folder)
        client.set_terminated(run_id, "FAILED" if failed else "FINISHED")
    return run_id


@contextmanager
def explained(config: Settings) -> Iterator[None]:
    """Turn MLflow's failures into one clear error.

    Raises
    ------
    OutOfSpace
        If SQLite's disk is full.
    ConfigurationError
        If the server cannot be reached, or refuses.
    """
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        if "disk is full" in str(error):
            raise OutOfSpace(
                f"The disk filled up while {config.mlflow_uri} was being written.",
                "Free some space and run again; registered versions and aliases are as they were.",
            ) from error
        raise ConfigurationError(
            f"MLflow at {config.mlflow_uri} failed: {str(error).splitlines()[0]}",
            "Check ARTHAFLOW_TRACKING_URI and that the server runs.",
        ) from error


def _experiment(client: MlflowClient, name: str, config: Settings) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # A server knows where its artifacts go; beside SQLite they are files.
    location = (config.root / "mlflow").as_uri() if database(config) is not None else None
    return str(client.create_experiment(name, artifact_location=location))


def _log(client: MlflowClient, run_id: str, params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
    from mlflow.entities import Metric, Param

    now = int(time.time() * 1000)
    client.log_batch(
        run_id,
        metrics=[Metric(k, float(v), now, 0) for k, v in metrics.items() if math.isfinite(v)],
        params=[Param(k, str(v)[:MAX_TAG]) for k, v in params.items()],
    )
