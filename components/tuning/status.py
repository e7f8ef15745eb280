"""Reading what Katib says of an Experiment and its trials; its values are text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from components.errors import ArthaflowError
from components.tuning.result import Trial
from components.tuning.space import Space

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Progress:
    """How far an Experiment is.

    Attributes
    ----------
    done, failed, running, wanted : int
        Trials; ``failed`` includes those without a metric.
    best : float or None
        Lowest score so far.
    """

    done: int
    failed: int
    running: int
    wanted: int
    best: float | None = None

    def __str__(self) -> str:
        best = "" if self.best is None else f", best {self.best:.5g}"
        return f"{self.done} of {self.wanted} trials done, {self.running} running, {self.failed} failed{best}"


def progress(experiment: Record) -> Progress:
    """Return how far an Experiment is."""
    status = experiment.get("status") or {}
    spec = experiment["spec"]
    optimal = (status.get("currentOptimalTrial") or {}).get("observation") or {}
    metric = spec["objective"]["objectiveMetricName"]
    return Progress(
        done=int(status.get("trialsSucceeded") or 0),
        failed=sum(int(status.get(k) or 0) for k in ("trialsFailed", "trialsKilled", "trialMetricsUnavailable")),
        running=int(status.get("trialsRunning") or 0),
        wanted=int(spec.get("maxTrialCount") or 0),
        best=metrics(optimal).get(metric),
    )


def condition(found: Record, kind: str) -> Record | None:
    """Return a condition that is true, or None."""
    for one in (found.get("status") or {}).get("conditions") or []:
        if one.get("type") == kind and one.get("status") == "True":
            known: Record = one
            return known
    return None


def words(found: Record) -> str:
    """Return what the last condition says."""
    conditions = (found.get("status") or {}).get("conditions") or []
    true = [c for c in conditions if c.get("status") == "True"] or conditions
    return " ".join(filter(None, [true[-1].get("reason", ""), true[-1].get("message", "")])) if true else "no condition"


def metrics(observation: Record) -> dict[str, float]:
    """Return the numbers of an observation by name; what is no number (``unavailable``) is left out."""
    found: dict[str, float] = {}
    for metric in observation.get("metrics") or []:
        for key in ("latest", "min"):
            try:
                found[metric["name"]] = float(metric[key])
            except (KeyError, ValueError):
                continue
            break
    return found


def read_best(experiment: Record, space: Space) -> dict[str, Any]:
    """Return Katib's own choice: the name of the best trial, and its parameters, typed.

    Raises
    ------
    ConfigurationError
        If they do not fit the space.
    """
    optimal = experiment["status"]["currentOptimalTrial"]
    given = {a["name"]: a["value"] for a in optimal["parameterAssignments"]}
    return {"best_trial": optimal.get("bestTrialName", ""), "best_params": space.parse(given)}


def read_trials(trials: Sequence[Record], space: Space, metric: str, blocks: Sequence[str]) -> tuple[Trial, ...]:
    """Return the trials of an Experiment in the order they were made, numbered from 1.

    Parameters
    ----------
    trials : sequence of mapping
        Katib's Trial objects.
    space : Space
        Turns assignments from text into values.
    metric : str
        The objective.
    blocks : sequence of str
        Names of the blocks' metrics.
    """
    ordered = sorted(trials, key=lambda t: (t["metadata"].get("creationTimestamp") or "", t["metadata"]["name"]))
    return tuple(_trial(number, t, space, metric, blocks) for number, t in enumerate(ordered, 1))


def _trial(number: int, raw: Record, space: Space, metric: str, blocks: Sequence[str]) -> Trial:
    given = {a["name"]: a["value"] for a in (raw.get("spec") or {}).get("parameterAssignments") or []}
    seconds = _seconds(raw.get("status") or {})
    try:
        params = space.parse(given)
    except ArthaflowError as error:
        return Trial(number, given, None, (), seconds, str(error))
    numbers = metrics((raw.get("status") or {}).get("observation") or {})
    if metric not in numbers or any(name not in numbers for name in blocks):
        return Trial(number, params, None, (), seconds, f"{raw['metadata']['name']}: {words(raw)}")
    return Trial(number, params, numbers[metric], tuple(numbers[name] for name in blocks), seconds)


def _seconds(status: Record) -> float:
    ends = [status.get(key) for key in ("startTime", "completionTime")]
    if not all(ends):
        return 0.0
    start, stop = (datetime.fromisoformat(str(end).replace("Z", "+00:00")) for end in ends)
    return (stop - start).total_seconds()
