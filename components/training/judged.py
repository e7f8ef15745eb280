"""Evaluate a model by its own judge: loss against its baselines, claims, figures, and what the gate reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from components.data.dataset import Dataset
from components.errors import InvalidRequest
from components.evaluation.hypothesis_tests import diebold_mariano
from components.evaluation.judge import Claim, Figure, Judge, Judged
from components.evaluation.result import finite
from components.evaluation.scoring import by_time
from components.evaluation.splits import Fold, Folds
from components.models.contract import Model, Outputs
from components.models.spec import ModelSpec
from components.registry.artifact import read_artifact
from components.training.gate_figures import MIN_ROWS
from components.training.parameters import make_model
from components.training.predictions import Predictions

if TYPE_CHECKING:
    import pandas as pd

MOST_ENTITIES = 24
"""Entities that get a line of their own in the tables."""


@dataclass(frozen=True)
class JudgedEvaluation:
    """Figures, plots and losses of one model that has a judge; stands where ``Evaluation`` does for a forecast.

    Attributes
    ----------
    figures : mapping
        As ``Evaluation.figures``; ``judged`` holds losses and claims, the parts about forecasts are empty.
    plots : sequence of Figure
        What the judge drew.
    judged : Judged
        Every out-of-sample answer.
    """

    figures: Mapping[str, Any]
    plots: Sequence[Figure]
    judged: Judged

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON-ready values; what is not finite becomes None."""
        result: dict[str, Any] = finite(self.figures)
        return result

    @property
    def backtest(self) -> pd.DataFrame:
        """One line per row: time, entity, fold, loss, and the loss of every baseline."""
        import pandas as pd

        j = self.judged
        columns = {"time": j.data.times, "entity": j.data.entities.astype(str), "fold": j.fold, "loss": j.loss}
        return pd.DataFrame(columns | {f"loss_{name}": loss for name, loss in j.baseline_losses.items()})


def judge_model(
    spec: ModelSpec,
    data: Dataset,
    folds: Folds,
    candidate_dirs: Mapping[str, Path],
    params: Mapping[str, Any],
    production: Path | None,
) -> JudgedEvaluation:
    """Blend the candidates anew in every fold and let the model's judge score them; see ``training.evaluate``."""
    judge: Judge = spec.resolve(spec.judge)
    stored = {name: Predictions(path) for name, path in candidate_dirs.items()}
    if folds.rows != len(data):
        raise ValueError(f"the folds are of a dataset of {folds.rows} rows, this one has {len(data)}")
    parts, notes = [], []
    for fold in folds.folds:
        part, model = judge_fold(spec, judge, data, fold, stored, params)
        parts.append(part)
        notes.append(_note(model, data, fold, float(part.loss.mean())))
    whole = join(parts)
    steps = judge.overlap or _overlap(data)
    table = losses(spec, judge, whole, steps)
    claims = judge.claims(whole)
    gate = {
        **table,
        "metric": spec.gate.metric,
        "alpha": spec.gate.alpha,
        "must": spec.gate.must,
        "all_finite": bool(np.isfinite(whole.loss).all()),
        "claims": [claim.to_dict() for claim in claims],
    }
    figures = {
        "model": spec.name,
        "metrics": _headline(table, claims),
        "params": asdict(make_model(spec, params).params),
        "candidates": list(candidate_dirs),
        "rows": len(whole.loss),
        "coverage_nominal": None,
        "period": _period(whole.data.times),
        "horizons": {},
        "folds": notes,
        "gate": gate,
        "judged": {
            "name": judge.name,
            "unit": judge.unit,
            **table,
            "by_entity": _by_entity(whole),
            "claims": gate["claims"],
        },
        "production": production_figures(spec, judge, whole, production),
    }
    return JudgedEvaluation(figures, judge.figures(whole), whole)


def judge_fold(
    spec: ModelSpec,
    judge: Judge,
    data: Dataset,
    fold: Fold,
    stored: Mapping[str, Predictions],
    params: Mapping[str, Any],
) -> tuple[Judged, Model]:
    """Return the fold's part of the judgement, and the model as it was blended for it."""
    held, test = data.take(fold.validation), data.take(fold.test)
    validated, tested = (
        {name: p.part(fold.number, split, rows) for name, p in stored.items()}
        for split, rows in (("validation", fold.validation), ("test", fold.test))
    )
    model = make_model(spec, params).combine(validated, held)
    outputs = model.finish(tested, test.inputs)
    history = data.take(np.sort(np.concatenate([fold.train, fold.validation])))
    rivals = {name: answer(history, test) for name, answer in judge.baselines.items()}
    return (
        Judged(
            data=test,
            outputs=outputs,
            baselines=rivals,
            loss=_loss(judge, outputs, test),
            baseline_losses={name: _loss(judge, answer, test) for name, answer in rivals.items()},
            fold=np.full(len(test), fold.number, dtype=np.int64),
            params=asdict(model.params),
        ),
        model,
    )


def join(parts: Sequence[Judged]) -> Judged:
    """Join the folds' parts in time order."""
    data = _join_data([part.data for part in parts])
    order = np.argsort(data.times, kind="stable")

    def laid(values: Sequence[Any]) -> Any:
        return np.concatenate(values)[order]

    first = parts[0]
    return Judged(
        data=data.take(order),
        outputs={name: laid([p.outputs[name] for p in parts]) for name in first.outputs},
        baselines={
            rival: {name: laid([p.baselines[rival][name] for p in parts]) for name in answer}
            for rival, answer in first.baselines.items()
        },
        loss=laid([p.loss for p in parts]),
        baseline_losses={name: laid([p.baseline_losses[name] for p in parts]) for name in first.baseline_losses},
        fold=laid([p.fold for p in parts]),
        params=first.params,
    )


def losses(spec: ModelSpec, judge: Judge, whole: Judged, steps: int) -> dict[str, Any]:
    """Return the mean loss beside each baseline's, with Diebold-Mariano's test in both directions.

    Rows of one time are averaged first: the entities of one day are not independent.
    """
    ours = by_time(whole.loss, whole.data.times)
    rivals = {name: by_time(loss, whole.data.times) for name, loss in whole.baseline_losses.items()}
    alpha = spec.gate.alpha
    table = {
        name: {
            "loss": float(theirs.mean()),
            "difference": float(ours.mean() - theirs.mean()),
            "ratio": _ratio(float(ours.mean()), float(theirs.mean())),
            "test": diebold_mariano(ours, theirs, steps, alpha).to_dict(),
            "worse": diebold_mariano(theirs, ours, steps, alpha).to_dict(),
        }
        for name, theirs in rivals.items()
    }
    first = next(iter(table))
    own = {"loss": float(ours.mean()), "rows": len(whole.loss), "times": len(ours), "overlap": steps}
    return {
        **own,
        "baseline": first,
        **{k: table[first][k] for k in ("difference", "ratio", "test", "worse")},
        "baselines": table,
    }


def production_figures(spec: ModelSpec, judge: Judge, whole: Judged, production: Path | None) -> dict[str, Any]:
    """Compare with the version in production on rows after everything it was trained on, as for a forecast."""
    if production is None:
        return {"compared": False, "reason": "no version is in production yet"}
    artifact = read_artifact(production)
    until = artifact.metadata.get("trained_until")
    if until is None:
        return {"compared": False, "reason": "the production version does not say until when it was trained"}
    later = np.flatnonzero(whole.data.times > np.datetime64(until))
    facts = {"trained_until": until, "rows": len(later)}
    if len(later) < MIN_ROWS:
        reason = (
            f"not compared with production, because only {len(later)} out-of-sample rows follow its training "
            f"(until {until[:10]}; {MIN_ROWS} are needed)"
        )
        return {"compared": False, "reason": reason, **facts}
    rows = whole.data.take(later)
    try:
        artifact.input_schema.validate(rows.inputs)
        answer = artifact.load_model(spec).predict(rows.inputs)
    except InvalidRequest as error:
        return {"compared": False, "reason": f"production does not take these rows ({error.problem})", **facts}
    ours, theirs = float(whole.loss[later].mean()), float(_loss(judge, answer, rows).mean())
    loss = (ours - theirs) / max(abs(theirs), np.finfo(float).tiny)
    return {"compared": True, "reason": "", "metric": spec.gate.metric, "loss": loss, **facts}


def _ratio(ours: float, theirs: float) -> float | None:
    """Ratio of two losses; None where losses may be negative (a return), so that a ratio says nothing."""
    return ours / theirs if ours > 0 and theirs > 0 else None


def _loss(judge: Judge, outputs: Outputs, rows: Dataset) -> Any:
    loss = np.asarray(judge.loss(outputs, rows), dtype=np.float64)
    if loss.shape != (len(rows),):
        raise ValueError(f"the judge's loss has shape {loss.shape}, expected one number for each of {len(rows)} rows")
    return loss


def _join_data(parts: Sequence[Dataset]) -> Dataset:
    joined: dict[str, Any] = {}
    for field in fields(Dataset):
        values = [getattr(part, field.name) for part in parts]
        if isinstance(values[0], dict):
            joined[field.name] = {name: np.concatenate([v[name] for v in values]) for name in values[0]}
        else:
            joined[field.name] = np.concatenate(values)
    return Dataset(**joined)


def _by_entity(whole: Judged) -> dict[str, Any]:
    names, place = np.unique(whole.data.entities.astype(str), return_inverse=True)
    if len(names) > MOST_ENTITIES:
        return {}
    rivals = {"model": whole.loss, **whole.baseline_losses}
    return {name: {who: float(loss[place == i].mean()) for who, loss in rivals.items()} for i, name in enumerate(names)}


def _headline(table: Mapping[str, Any], claims: Sequence[Claim]) -> dict[str, float]:
    numbers = {"loss": table["loss"], "loss_ratio": table["ratio"], "p_value": table["test"]["p_value"]}
    numbers |= {f"{name}_loss": rival["loss"] for name, rival in table["baselines"].items()}
    numbers |= {claim.name: claim.statistic for claim in claims}
    numbers |= {f"{claim.name}_p": claim.p_value for claim in claims}
    return {name: float(value) for name, value in numbers.items() if value is not None and np.isfinite(value)}


def _note(model: Model, data: Dataset, fold: Fold, loss: float) -> dict[str, Any]:
    parts = {"train": fold.train, "validation": fold.validation, "test": fold.test}
    told = {name: {"rows": len(rows), **_period(data.times[rows])} for name, rows in parts.items()}
    return {"fold": fold.number, "weights": getattr(model, "weights", {}), "loss": loss, **told}


def _period(times: Any) -> dict[str, str]:
    return {"from": str(times.min().astype("datetime64[s]")), "until": str(times.max().astype("datetime64[s]"))}


def _overlap(data: Dataset) -> int:
    """Return how many of the dataset's times an outcome spans."""
    times = np.unique(data.times)
    ahead = np.searchsorted(times, data.label_times) - np.searchsorted(times, data.times)
    return max(1, int(np.median(ahead)))
