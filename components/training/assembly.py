"""Put the final model together and write it as an artifact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from components.data.dataset import Dataset
from components.evaluation.result import finite
from components.evaluation.splits import Folds
from components.models.contract import FloatArray, Model
from components.models.spec import ModelSpec
from components.registry.artifact import Artifact, write_artifact
from components.training.parameters import make_model
from components.training.predictions import Predictions

GOLDEN_ROWS = 5
REFERENCE_ROWS = 1000
SEED = 7


def assemble(
    spec: ModelSpec,
    data: Dataset,
    folds: Folds,
    candidate_dirs: Mapping[str, Path],
    params: Mapping[str, Any],
    metadata: Mapping[str, Any],
    out: Path,
) -> Artifact:
    """Blend the final fits on the final validation rows and write the artifact.

    Parameters
    ----------
    spec, data, folds, candidate_dirs, params
        As in :func:`components.training.evaluate`.
    metadata : mapping
        Facts of the caller (metrics, lineage); ``trained_until``, ``params``, ``weights``, ``parity``, ``candidates``
        ``training_rows`` and ``calibration_rows`` are added here.
    out : Path
        Directory of the artifact.

    Returns
    -------
    Artifact
        Its ``model`` folder also holds ``background.parquet`` (rows for explainers) and ``reference.parquet`` (the most
        recent training and calibration rows, for drift detectors).
    """
    final = folds.final
    held = data.take(final.validation)
    stored = {n: Predictions(d).part(final.number, "validation", final.validation) for n, d in candidate_dirs.items()}
    model = make_model(spec, params).combine(stored, held).adopt({n: d / "member" for n, d in candidate_dirs.items()})
    seen = np.sort(np.concatenate([final.train, final.validation]))
    recent = seen[np.argsort(data.times[seen], kind="stable")][-REFERENCE_ROWS:]
    background = np.sort(
        np.random.default_rng(SEED).choice(seen, min(spec.explainer.background_rows, len(seen)), False)
    )
    complete = _WithRows(model, data.take(background), data.take(recent))
    golden = data.take(final.validation[np.linspace(0, len(held) - 1, GOLDEN_ROWS).astype(int)]).inputs
    facts = {
        **metadata,
        "trained_until": str(data.label_times[seen].max().astype("datetime64[s]")),
        "params": asdict(model.params),
        "weights": getattr(model, "weights", {}),
        "parity": parity(model, stored, held),
        "candidates": {n: _candidate_facts(d) for n, d in candidate_dirs.items()},
        "training_rows": len(final.train),
        "calibration_rows": len(final.validation),
    }
    return write_artifact(out, spec, cast(Model, complete), golden, finite(facts))


def parity(model: Model, native: Mapping[str, FloatArray], held: Dataset) -> dict[str, Any]:
    """Return, per numeric output, the largest difference between the served form and the native candidates.

    Parameters
    ----------
    model : Model
        With its members adopted.
    native : mapping of str to ndarray
        The candidates' own predictions on the rows of ``held``.
    held : Dataset
        Real rows.
    """
    served, reference = model.predict(held.inputs), model.finish(native, held.inputs)
    out: dict[str, Any] = {"rows": len(held)}
    for name, want in reference.items():
        if np.asarray(want).dtype.kind != "f" or not np.size(want):
            continue
        difference = np.abs(served[name] - want)
        scale = np.maximum(np.abs(want), 1e-12)
        out[name] = {"max_abs": float(difference.max()), "max_relative": float((difference / scale).max())}
    return out


@dataclass(frozen=True)
class _WithRows:
    """The model, saving rows for the explainer and the detector beside itself."""

    model: Model
    background: Dataset
    reference: Dataset

    def __getattr__(self, name: str) -> Any:
        return getattr(self.model, name)

    def save(self, directory: Path) -> None:
        self.model.save(directory)
        self.background.write(directory / "background.parquet")
        self.reference.write(directory / "reference.parquet")


def _candidate_facts(directory: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((directory / "metrics.json").read_text(encoding="utf-8"))
    member = directory / "member" / "member.json"
    if member.exists():
        facts["member"] = json.loads(member.read_text(encoding="utf-8"))
        facts.pop("facts", None)
    return facts
