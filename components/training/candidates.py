"""Train one candidate on every fold and on the final split."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from components.data.dataset import Dataset
from components.errors import UnknownModel
from components.evaluation.result import finite
from components.evaluation.splits import Fold, Folds
from components.models.contract import Candidate, FloatArray, Model
from components.models.spec import ModelSpec
from components.registry.artifact import atomic_directory
from components.training.parameters import horizons_of, make_model
from components.training.predictions import FILE, Part, write_predictions


def train_candidate(
    spec: ModelSpec, name: str, data: Dataset, folds: Folds, out: Path, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Train one candidate on every fold, then on the final split, and store what later steps need.

    Writes ``out/predictions.parquet`` (validation and test rows of every fold, validation rows of the final split),
    ``out/member/`` (serving form of the final fit) and ``out/metrics.json``. ``out`` appears only when all of it is
    there.

    Parameters
    ----------
    spec : ModelSpec
        The model's declaration.
    name : str
        Candidate, a key of ``Model.candidates``.
    data : Dataset
        Every row.
    folds : Folds
        From :func:`components.evaluation.splits.walk_forward` on the same dataset.
    out : Path
        Directory to write.
    params : mapping
        Hyper-parameters that differ from the defaults.

    Returns
    -------
    dict
        What ``metrics.json`` holds: seconds, and per fold the RMSE in the unit the model blends in, beside that of the
        naive zero-information forecast (the mean of the training rows).

    Raises
    ------
    UnknownModel
        If the model has no such candidate.
    """
    started = time.perf_counter()
    model = make_model(spec, params)
    makers, horizons = model.candidates(model.params), horizons_of(spec, model)
    if name not in makers:
        raise UnknownModel(f"{spec.name} has no candidate {name!r}.", f"It has: {', '.join(makers)}.")
    parts: list[Part] = []
    table: dict[str, Any] = {}
    candidate: Candidate = makers[name]()
    for fold in folds.every:
        candidate = makers[name]().fit(data.take(fold.train), data.take(fold.validation))
        made = _predict(candidate, data, fold)
        parts += made
        table[_fold_name(fold)] = {p.split: _skill(spec, model, horizons, data, fold, p) for p in made}
    with atomic_directory(out) as scratch:
        (scratch / "member").mkdir()
        candidate.save(scratch / "member")
        write_predictions(parts, horizons, scratch / FILE)
        metrics: dict[str, Any] = finite(
            {"candidate": name, "seconds": round(time.perf_counter() - started, 2), "folds": table}
            | {"facts": getattr(candidate, "facts", {})}
        )
        (scratch / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n", encoding="utf-8")
    return metrics


def _predict(candidate: Candidate, data: Dataset, fold: Fold) -> list[Part]:
    parts = {"validation": fold.validation, "test": fold.test}
    return [
        Part(fold.number, split, rows, np.asarray(candidate.predict(data.take(rows).inputs), dtype=np.float64))
        for split, rows in parts.items()
        if len(rows)
    ]


def _fold_name(fold: Fold) -> str:
    return "final" if fold.number < 0 else str(fold.number)


def _skill(
    spec: ModelSpec, model: Model, horizons: tuple[str, ...], data: Dataset, fold: Fold, part: Part
) -> dict[str, Any]:
    if spec.judge:
        # A judge scores the whole model's answers; a candidate's numbers have no target of their own.
        return {"rows": len(part.rows)}
    actual = model.blend_target(data.take(part.rows))
    naive = model.blend_target(data.take(fold.train)).mean(axis=0)
    rmse, reference = (np.sqrt(np.mean((actual - p) ** 2, axis=0)) for p in (part.values, naive))
    return {
        "rows": len(part.rows),
        "rmse": _named(horizons, rmse),
        "rmse_ratio_to_mean": _named(horizons, rmse / reference),
    }


def _named(horizons: tuple[str, ...], values: FloatArray) -> dict[str, float]:
    return dict(zip(horizons, np.atleast_1d(values).tolist(), strict=True))
