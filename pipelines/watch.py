"""Follow a run on a cluster to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from components.errors import ArthaflowError, ConfigurationError
from pipelines.kubeflow import connect

DONE, FAILED = ("SUCCEEDED",), ("FAILED", "CANCELED", "SKIPPED")
PATIENCE = 5
"""Looks in a row that may fail: the API server is restarted more often than a run lasts."""


class ClusterRunFailed(ArthaflowError):
    """A run on a cluster did not succeed; the message names the step that failed."""


@dataclass(frozen=True)
class Step:
    """How a step of a run stands."""

    name: str
    state: str
    error: str = ""
    pod: str = ""


def wait(
    host: str,
    run_id: str,
    *,
    namespace: str = "",
    token: str = "",
    timeout_s: float = 0.0,
    poll_s: float = 10.0,
    show: Callable[[Step], None] | None = None,
) -> None:
    """Wait until a run has succeeded.

    Parameters
    ----------
    host, namespace, token : str
        See :func:`pipelines.kubeflow.connect`.
    run_id : str
        As :func:`pipelines.submit.submit` returned it.
    timeout_s : float
        Longest wait, seconds; 0 for as long as it takes.
    poll_s : float
        Seconds between two looks.
    show : callable, optional
        Called when a step starts, ends or fails.

    Raises
    ------
    ClusterRunFailed
        If the run failed or was cancelled, or lasts longer than the wait; the run itself goes on then.
    ConfigurationError
        If the API cannot be asked any more.
    """
    began = time.monotonic()
    seen: dict[str, str] = {}
    with connect(host, namespace, token) as cluster:
        page = cluster.page("runs", run_id)
        while True:
            run = _look(cluster.client, run_id, poll_s)
            steps = read_steps(run)
            for step in steps:
                if seen.get(step.name) != step.state and show is not None:
                    show(step)
                seen[step.name] = step.state
            if run.state in DONE:
                return
            if run.state in FAILED:
                raise _failure(run, steps, page)
            if timeout_s and time.monotonic() - began > timeout_s:
                raise ClusterRunFailed(
                    f"Run {run_id} is {run.state or 'PENDING'} after {timeout_s:g} s.", f"It goes on: {page}"
                )
            time.sleep(poll_s)


def read_steps(run: Any) -> list[Step]:
    """Return the steps of a run as the API tells them, without the drivers and the branches around them."""
    details = (run.run_details.task_details if run.run_details else None) or []
    leaves = [d for d in details if not d.child_tasks and not str(d.display_name or "").endswith("-driver")]
    return [
        Step(
            name=str(d.display_name or d.task_id),
            state=str(d.state or "PENDING"),
            error=str(d.error.message or "").strip() if d.error else "",
            pod=str(d.pod_name or ""),
        )
        for d in leaves
    ]


def _look(client: Any, run_id: str, poll_s: float) -> Any:
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    for attempt in range(PATIENCE):
        try:
            return client.get_run(run_id)
        except (ApiException, HTTPError) as error:
            passing = not isinstance(error, ApiException) or not error.status or error.status >= 500
            if not passing or attempt == PATIENCE - 1:
                raise
        time.sleep(poll_s)
    raise ConfigurationError(f"Run {run_id} cannot be followed.", "Try again.")


def _failure(run: Any, steps: list[Step], page: str) -> ClusterRunFailed:
    word = {"FAILED": "failed", "CANCELED": "was cancelled"}.get(run.state, f"ended as {run.state}")
    failed = next((step for step in steps if step.state == "FAILED"), None)
    if failed is None:
        reason = str(run.error.message or "").strip() if run.error else ""
        return ClusterRunFailed(f"Run {run.run_id} {word}{': ' + reason if reason else '.'}", f"See {page}")
    reason = failed.error or "it gave no reason"
    log = f"Its log: `kubectl logs {failed.pod}`. " if failed.pod else ""
    return ClusterRunFailed(f"Run {run.run_id} {word} in {failed.name}: {reason}", f"{log}See {page}")
