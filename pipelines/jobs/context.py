"""JobContext: what a kind of job gets to work with, and how it says how far it is.

A job runs in a process of its own. Everything it says goes through files in the job's folder, which the worker reads:
``request.json`` (what is asked), ``progress.json``, ``result.json`` or ``problem.json``, and ``log.txt`` (its output).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.jobs.config import JobSettings

REQUEST, PROGRESS, RESULT, PROBLEM, LOG = "request.json", "progress.json", "result.json", "problem.json", "log.txt"


@dataclass(frozen=True)
class Asked:
    """What is asked of one attempt.

    Attributes
    ----------
    job_id : str
        UUID.
    kind, model : str
        Kind of job, and the model it is about; empty for none.
    arguments : mapping
        Of the kind.
    attempt : int
        From 1.
    created_by : str
        Pseudonym of the caller who asked.
    """

    job_id: str
    kind: str
    model: str
    arguments: Mapping[str, Any]
    attempt: int = 1
    created_by: str = ""

    def run_id(self, attempt: int = 0) -> str:
        """Return the id of the pipeline run of an attempt, this one's by default: later attempts find what it did."""
        return f"job-{self.job_id[:13]}-{attempt or self.attempt}"


@dataclass
class JobContext:
    """One attempt at one job.

    Parameters
    ----------
    asked : Asked
        What is asked.
    folder : Path
        Of the job.
    home : Path
        ``ARTHAFLOW_HOME``.
    config : JobSettings
        Where and how jobs are run here.
    """

    asked: Asked
    folder: Path
    home: Path
    config: JobSettings
    steps: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, step: str, **facts: Any) -> None:
        """Say that a step begins; the one before has ended."""
        self.end()
        self.steps.append({"step": step, "state": "running", "began_at": _now(), **facts})
        self._write()

    def end(self, **facts: Any) -> None:
        """Say that the step under way has ended."""
        if self.steps and self.steps[-1]["state"] == "running":
            self.steps[-1].update(state="done", ended_at=_now(), **facts)
            self._write()

    def show(self, steps: list[dict[str, Any]]) -> None:
        """Replace what was said, by the steps of a graph that tells them itself."""
        if steps != self.steps:
            self.steps = steps
            self._write()

    def _write(self) -> None:
        write_json(self.folder / PROGRESS, {"steps": self.steps})


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file so that nobody reads half of it."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_text(json.dumps(value, indent=1, default=str) + "\n", encoding="utf-8")
    scratch.replace(path)


def read_json(path: Path) -> dict[str, Any] | None:
    """Return what a file of a job says; None while it is not there."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return found


def write_request(folder: Path, asked: Asked) -> None:
    """Lay down what is asked, and take away what an earlier attempt said."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (PROGRESS, RESULT, PROBLEM):
        (folder / name).unlink(missing_ok=True)
    write_json(folder / REQUEST, asdict(asked))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
