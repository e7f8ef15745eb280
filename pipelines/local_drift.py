"""Run the drift graph on this machine, against a detector that is served here or anywhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from components.catalog import get_spec
from pipelines.compile import compile_pipeline
from pipelines.graph_arguments import graph_arguments
from pipelines.local import run_steps
from pipelines.result import OUTPUT


@dataclass(frozen=True)
class DriftRun:
    """A finished drift check.

    Attributes
    ----------
    model, run_id : str
        What ran.
    directory : Path
        Of the run; its log is ``kfp.log``.
    outcome, sentence : str
        The detector's verdict.
    verdict, page : Path
        The verdict as JSON, and drawn as HTML.
    metrics : mapping of str to float
        As the Kubeflow UI shows them.
    summary : Path or None
        What was done about drift, Markdown; None where there was none.
    training_run : str
        Id of the training run that was asked for; empty for none.
    """

    model: str
    run_id: str
    directory: Path
    outcome: str
    sentence: str
    verdict: Path
    page: Path
    metrics: Mapping[str, float]
    summary: Path | None
    training_run: str


def run_drift_check(
    model: str, arguments: Mapping[str, Any] | None = None, home: Path | None = None, console: Console | None = None
) -> DriftRun:
    """Run the drift graph of a model; see :func:`pipelines.drift.build_drift` for its arguments.

    Raises
    ------
    ArthaflowError
        The failing step's own error, for example of a detector that does not answer.
    """
    spec = get_spec(model)
    with TemporaryDirectory() as scratch:
        package = compile_pipeline(spec.name, Path(scratch), "drift")
        chosen = graph_arguments("drift", spec, package, arguments or {})
    run_id, directory, _ = run_steps(spec.name, "drift", chosen, home, console)
    asked, requested = _output(directory, "ask-detector"), _output(directory, "request-retraining")
    files = asked["artifacts"]
    told = json.loads(_file(files["verdict"]).read_text(encoding="utf-8"))
    summary = requested.get("artifacts", {}).get("summary")
    return DriftRun(
        model=spec.name,
        run_id=run_id,
        directory=directory,
        outcome=told["outcome"],
        sentence=told["sentence"],
        verdict=_file(files["verdict"]),
        page=_file(files["page"]),
        metrics=files["metrics"]["artifacts"][0]["metadata"],
        summary=_file(summary) if summary else None,
        training_run=requested.get("parameterValues", {}).get("run", ""),
    )


def _output(directory: Path, task: str) -> dict[str, Any]:
    path = next(directory.glob(f"**/{task}/{OUTPUT}"), None)
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path else {}
    return told


def _file(kept: Mapping[str, Any]) -> Path:
    return Path(kept["artifacts"][0]["uri"])
