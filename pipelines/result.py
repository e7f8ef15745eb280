"""RunResult: what a training run left behind, read from the run's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OUTPUT = "executor_output.json"


@dataclass(frozen=True)
class RunResult:
    """A finished training run.

    Attributes
    ----------
    model, run_id : str
        What ran.
    directory : Path
        Of the run; its log is ``kfp.log``.
    artifacts : mapping of str to Path
        Every output by ``task/output``; candidates' by ``train-candidate/<name>/output``.
    metrics : mapping of str to mapping
        Scalars by task, as the Kubeflow UI shows them.
    promoted : bool
        Whether the gate let it pass.
    reason : str
        The gate's sentence.
    version : str or None
        Registered version; None when it was refused.
    seconds : mapping of str to float
        By step, and ``total``.
    """

    model: str
    run_id: str
    directory: Path
    artifacts: Mapping[str, Path]
    metrics: Mapping[str, Mapping[str, float]]
    promoted: bool
    reason: str
    version: str | None
    seconds: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "model": self.model,
            "run_id": self.run_id,
            "directory": str(self.directory),
            "promoted": self.promoted,
            "reason": self.reason,
            "version": self.version,
            "seconds": dict(self.seconds),
            "metrics": {k: dict(v) for k, v in self.metrics.items()},
            "artifacts": {k: str(v) for k, v in self.artifacts.items()},
        }

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.artifacts["report/page"]

    @property
    def card(self) -> Path:
        """The model card, Markdown."""
        return self.artifacts["report/card"]

    @property
    def evaluation(self) -> Path:
        """The evaluation, JSON."""
        return self.artifacts["evaluate/evaluation"]

    @property
    def backtest(self) -> Path:
        """The backtest, Parquet."""
        return self.artifacts["evaluate/backtest"]

    @property
    def artifact(self) -> Path:
        """Directory of the assembled model; also when it was refused."""
        return self.artifacts["evaluate/blend"]

    @property
    def decision(self) -> Path:
        """The gate's decision with its checks, JSON."""
        return self.artifacts["gate/decision"]

    @property
    def bars(self) -> Path:
        """The accepted bars, Parquet."""
        return self.artifacts["validate/accepted"]

    @property
    def lineage(self) -> Path:
        """The lineage, JSON."""
        return self.artifacts["split/lineage"]


def read_result(model: str, run_id: str, directory: Path, seconds: Mapping[str, float]) -> RunResult:
    """Collect the outputs of every task below a run's folder, and keep the scalars as ``metrics.json``."""
    artifacts: dict[str, Path] = {}
    metrics: dict[str, dict[str, float]] = {}
    parameters: dict[str, Mapping[str, Any]] = {}
    for path in sorted(directory.glob(f"**/{OUTPUT}")):
        told = json.loads(path.read_text(encoding="utf-8"))
        task = path.parent.name
        parameters[task] = told.get("parameterValues", {})
        found = {name: kept["artifacts"][0] for name, kept in told.get("artifacts", {}).items()}
        label = next((a["metadata"]["name"] for a in found.values() if "name" in a.get("metadata", {})), "")
        task = f"{task}/{label}" if label else task
        for name, artifact in found.items():
            file = Path(artifact["uri"])
            if file.exists():
                artifacts[f"{task}/{name}"] = file
            else:
                # Scalars are an artifact without a file: the interface reads them from the metadata.
                metrics[task] = artifact.get("metadata", {})
    (directory / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    return RunResult(
        model=model,
        run_id=run_id,
        directory=directory,
        artifacts=artifacts,
        metrics=metrics,
        promoted=bool(parameters["gate"]["promote"]),
        reason=str(parameters["gate"]["reason"]),
        version=parameters.get("register", {}).get("version"),
        seconds=seconds,
    )
