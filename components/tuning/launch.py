"""Run one Katib Experiment to its end: create it or take it up again, wait, read what it found, clean up.

A step that is tried again finds the Experiment of its first attempt by name and goes on waiting. A step that is told to
stop (SIGTERM, or Ctrl-C) deletes it, so that no trial runs for nobody; one that is killed without a word leaves it to
the next attempt, or to the graph's exit handler. An owner reference cannot do that: the Experiment lies in another
namespace than the step's pod, and would go with the pod of the first attempt.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from components.errors import ArthaflowError, ConfigurationError
from components.rollout.clock import Clock, SystemClock
from components.tuning.experiments_api import AlreadyExists, ExperimentApi
from components.tuning.katib import SPEC_HASH
from components.tuning.status import Progress, condition, progress, words

Record = dict[str, Any]


class TuningFailed(ArthaflowError):
    """An Experiment did not come to a good end."""


class Cancelled(ArthaflowError):
    """The step was told to stop."""


@dataclass(frozen=True)
class Patience:
    """How long to wait.

    Attributes
    ----------
    timeout_s : float
        For the end of the Experiment, from now; 0 for no limit.
    poll_s : float
        Between two looks at it.
    """

    timeout_s: float = 0.0
    poll_s: float = 10.0


def run_experiment(
    experiment: Record,
    api: ExperimentApi,
    patience: Patience | None = None,
    listen: Callable[[Progress], None] = lambda told: None,
    clock: Clock | None = None,
) -> Record:
    """Create the Experiment or take it up again, wait for its end, and return it with its status.

    Parameters
    ----------
    experiment : dict
        From :func:`components.tuning.katib.build_experiment`.
    api : ExperimentApi
        The cluster.
    patience : Patience, optional
        How long to wait.
    listen : callable
        Is told how far it is, whenever that changes.
    clock : Clock, optional
        For tests.

    Raises
    ------
    ConfigurationError
        If the cluster refuses it, or holds another one of the same name.
    TuningFailed
        If it fails, takes too long, is deleted by someone else, or no trial has a metric. One that takes too long is
        deleted.
    Cancelled
        If the process was told to stop; the Experiment is deleted.
    """
    name, clock, patience = experiment["metadata"]["name"], clock or SystemClock(), patience or Patience()
    with _stoppable():
        try:
            _start(experiment, api, clock, patience)
            done = _wait(name, api, clock, patience, listen)
        except (Cancelled, KeyboardInterrupt):
            api.delete(name)
            raise
    if not (done["status"].get("currentOptimalTrial") or {}).get("parameterAssignments"):
        raise TuningFailed(
            f"The experiment {name} ended, and none of its trials has a metric ({words(done)}).",
            f"Look at a trial's log: kubectl logs -n {api.namespace} -l katib.kubeflow.org/experiment={name} "
            "--all-containers. The namespace needs the label katib.kubeflow.org/metrics-collector-injection: enabled.",
        )
    return done


def _start(experiment: Record, api: ExperimentApi, clock: Clock, patience: Patience) -> None:
    name = experiment["metadata"]["name"]
    while True:
        found = api.get(name)
        if found is None:
            try:
                api.create(experiment)
            except AlreadyExists:
                continue  # another attempt was faster, or the answer to our own was lost
            return
        if "deletionTimestamp" not in found["metadata"]:
            _same(experiment, found)
            return
        clock.sleep(patience.poll_s)  # an earlier one is still being deleted


def _same(wanted: Record, found: Record) -> None:
    name = wanted["metadata"]["name"]
    theirs = (found["metadata"].get("annotations") or {}).get(SPEC_HASH, "")
    if theirs != wanted["metadata"]["annotations"][SPEC_HASH]:
        raise ConfigurationError(
            f"The cluster has an experiment {name} with another spec.",
            f"Delete it (kubectl delete experiment {name} -n {found['metadata'].get('namespace', '')}), or start a "
            "new run.",
        )


def _wait(
    name: str, api: ExperimentApi, clock: Clock, patience: Patience, listen: Callable[[Progress], None]
) -> Record:
    began, last = clock.now(), None
    while True:
        found = api.get(name)
        if found is None:
            raise TuningFailed(f"The experiment {name} was deleted while it ran.", "Run the step again.")
        now = progress(found)
        if now != last:
            listen(now)
            last = now
        if condition(found, "Failed"):
            raise TuningFailed(
                f"The experiment {name} failed: {words(found)}.",
                f"kubectl describe experiment {name} -n {api.namespace} and its trials' logs say why.",
            )
        if condition(found, "Succeeded"):
            return found
        if patience.timeout_s and clock.now() - began >= patience.timeout_s:
            api.delete(name)
            raise TuningFailed(
                f"The experiment {name} was not done after {patience.timeout_s:g} s ({now}); it was deleted.",
                "Allow more time, or ask for fewer trials.",
            )
        clock.sleep(patience.poll_s)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Turn SIGTERM into :class:`Cancelled`, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        # A second signal must not interrupt the clean-up.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise Cancelled("The step was told to stop.", "Its experiment was deleted; start a new run to tune again.")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
