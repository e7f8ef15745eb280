"""Lineage: what a trained version came from, as flat text that the registry and the artifact both keep."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

LIBRARIES = (
    "arthaflow",
    "numpy",
    "pandas",
    "scikit-learn",
    "xgboost",
    "torch",
    "tensorflow",
    "onnx",
    "onnxruntime",
    "feast",
    "kfp",
)
"""Whose versions can change a trained model's numbers."""

PREFIX = "arthaflow."


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from.

    Attributes
    ----------
    run_id : str
        Of the pipeline run.
    data_hash : str
        SHA-256 of the accepted rows that the model was trained on.
    source, bar, until : str
        As the run was asked: the data source, the bar size, and the last date (ISO 8601, empty for all).
    feature_service, feature_hash : str
        Name of the feature service, and SHA-256 of the definitions of its features.
    seed : str
        Random seed of the run.
    params : str
        Overridden hyper-parameters, as JSON.
    git_commit : str
        Commit of the code, with ``+dirty`` when there were uncommitted changes.
    libraries : str
        ``name==version`` of the libraries that decide the numbers, space-separated.
    tuning : str
        How the hyper-parameters were chosen, as JSON (see :func:`components.tuning.result.summary`); empty when they
        were not tuned.
    """

    run_id: str
    data_hash: str
    source: str
    bar: str
    until: str
    feature_service: str
    feature_hash: str
    seed: str
    params: str
    git_commit: str = ""
    libraries: str = ""
    tuning: str = ""

    def complete(self) -> Lineage:
        """Return it with the code and the libraries of this process."""
        return replace(self, git_commit=git_commit(), libraries=libraries())

    def tags(self) -> dict[str, str]:
        """Return MLflow tags."""
        return {f"{PREFIX}{k}": v for k, v in asdict(self).items()}

    def write(self, path: Path) -> None:
        """Write to JSON."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Lineage:
        """Inverse of :meth:`write`."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def run_id(given: str) -> str:
    """Return the id of the pipeline run: the local runner's, else ``given`` (the backend's job id)."""
    return os.environ.get("ARTHAFLOW_RUN_ID") or given


def libraries(names: Iterable[str] = LIBRARIES) -> str:
    """Return ``name==version`` of the installed ones of ``names``, and of Python."""
    found = [f"python=={platform.python_version()}"]
    for name in names:
        try:
            found.append(f"{name}=={version(name)}")
        except PackageNotFoundError:
            continue
    return " ".join(found)


@lru_cache(maxsize=1)
def git_commit() -> str:
    """Return the commit of this code, with ``+dirty`` when files differ from it.

    An image has no checkout; its build sets ``ARTHAFLOW_GIT_COMMIT``. Without either the answer is ``unknown``.
    """
    baked = os.environ.get("ARTHAFLOW_GIT_COMMIT", "")
    if baked:
        return baked
    root = Path(__file__).resolve().parents[2]
    commit = _git(root, "rev-parse", "HEAD")
    if not commit:
        return "unknown"
    return f"{commit}+dirty" if _git(root, "status", "--porcelain", "--untracked-files=no") else commit


def _git(root: Path, *arguments: str) -> str:
    command = ["git", "-C", str(root), *arguments]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""
