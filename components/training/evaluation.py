"""Evaluate a model from its candidates' stored predictions: nothing is trained again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from components.data.dataset import Dataset
from components.evaluation import scoring
from components.evaluation.backtest import Backtest, join
from components.evaluation.result import Evaluation
from components.evaluation.splits import Fold, Folds
from components.models.contract import FloatArray, Model
from components.models.spec import ModelSpec
from components.training.context import Context, fold_backtest
from components.training.gate_figures import gate_figures, headline, production_figures
from components.training.judged import JudgedEvaluation, judge_model
from components.training.member_scores import member_scores
from components.training.parameters import horizons_of, make_model
from components.training.predictions import Predictions


def evaluate(
    spec: ModelSpec,
    data: Dataset,
    folds: Folds,
    candidate_dirs: Mapping[str, Path],
    params: Mapping[str, Any],
    production: Path | None,
) -> Evaluation | JudgedEvaluation:
    """Blend the candidates anew in every fold and judge the blend on the fold's test rows.

    Parameters
    ----------
    spec, data, folds, params
        As in :func:`components.training.train_candidate`.
    candidate_dirs : mapping of str to Path
        What ``train_candidate`` wrote, by candidate.
    production : Path or None
        Artifact that is in production; None for none.

    Returns
    -------
    Evaluation
        Figures: ``metrics`` (the headline as flat numbers), ``horizons``, ``by_entity``, ``by_regime`` (metrics of
        the model and its baselines by horizon; relative to the current value unless they say ``price``), ``tests``,
        ``members`` (each candidate alone, in the blend's unit), ``confidence``, ``folds`` (periods, rows, blend
        weights, metrics), ``gate`` and ``production`` (what the gate reads). A model with a judge is evaluated by
        :func:`components.training.judged.judge_model` instead.
    """
    if spec.judge:
        return judge_model(spec, data, folds, candidate_dirs, params, production)
    model = make_model(spec, params)
    horizons = horizons_of(spec, model)
    stored = {name: Predictions(path) for name, path in candidate_dirs.items()}
    context = Context.of(spec, data, folds)
    parts, notes = [], []
    for fold in folds.folds:
        held = {name: p.part(fold.number, "validation", fold.validation) for name, p in stored.items()}
        tested = {name: p.part(fold.number, "test", fold.test) for name, p in stored.items()}
        fitted = make_model(spec, params).combine(held, data.take(fold.validation))
        part = fold_backtest(context, fitted, fold, held, tested)
        parts.append(part)
        notes.append(_note(fitted, data, fold) | {"horizons": scoring.score(part, horizons, spec.coverage)})
    whole = join(parts)
    steps = _steps(model, data, horizons)
    scores, gate = scoring.score(whole, horizons, spec.coverage), gate_figures(spec, whole, horizons, steps)
    figures = {
        "model": spec.name,
        "metrics": headline(gate, scores),
        "params": asdict(model.params),
        "candidates": list(candidate_dirs),
        "rows": len(whole.rows),
        "coverage_nominal": spec.coverage,
        "period": _period(whole.times),
        "horizons": scores,
        "members": member_scores(model, data, folds, stored, horizons, whole.relative),
        "by_entity": _groups(whole, whole.entities, horizons, spec.coverage),
        "by_regime": _groups(whole, whole.regimes, horizons, spec.coverage) if whole.relative else {},
        "tests": scoring.test(whole, horizons, steps, spec.coverage, spec.gate.alpha),
        "confidence": scoring.confidence(whole, horizons),
        "folds": notes,
        "gate": gate,
        "production": production_figures(spec, whole, data, production),
    }
    return Evaluation(figures, whole, horizons)


def _groups(whole: Backtest, labels: Any, horizons: tuple[str, ...], nominal: float) -> dict[str, Any]:
    names = labels.astype(str)
    return {name: scoring.score(whole.take(names == name), horizons, nominal) for name in np.unique(names)}


def _note(model: Model, data: Dataset, fold: Fold) -> dict[str, Any]:
    parts = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    return {
        "fold": fold.number,
        "weights": getattr(model, "weights", {}),
        **{name: {"rows": len(rows), **_period(data.times[rows])} for name, rows in parts.items()},
    }


def _period(times: Any) -> dict[str, str]:
    return {"from": str(times.min().astype("datetime64[s]")), "until": str(times.max().astype("datetime64[s]"))}


def _steps(model: Model, data: Dataset, horizons: tuple[str, ...]) -> list[int]:
    """Return the overlap of each horizon in times: the model's own count, else the dataset's longest for all."""
    own: FloatArray | None = getattr(model.params, "steps", None)
    if own is not None and len(own) == len(horizons):
        return [int(n) for n in own]
    times = np.unique(data.times)
    ahead = np.searchsorted(times, data.label_times) - np.searchsorted(times, data.times)
    return [max(1, int(np.median(ahead)))] * len(horizons)
