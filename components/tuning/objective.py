"""The objective of tuning: the walk-forward loss of one set of hyper-parameters, relative to the naive baseline's.

It is the gate's own ratio (each horizon's loss over the first baseline's mean loss there, averaged over horizons, then
over the entities of a time, then over times), on the folds of :mod:`components.tuning.folds`. Lower is better; below 1
beats the baseline. It is kept by block of time, so that the noise of a score can be estimated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.data.dataset import Dataset
from components.errors import ConfigurationError
from components.evaluation.backtest import join
from components.evaluation.judge import Judge
from components.evaluation.scoring import by_time, row_loss
from components.evaluation.splits import Fold, Folds
from components.models.contract import FloatArray, Model
from components.models.spec import ModelSpec
from components.training.context import Context, fold_backtest
from components.training.parameters import make_model
from components.tuning.folds import tuning_folds
from components.tuning.space import Space, space_of

BLOCKS = 4
"""Blocks of time in each fold's test rows; much longer than a label looks ahead, so that they hardly overlap."""


@dataclass(frozen=True)
class Score:
    """What one set of hyper-parameters scores.

    Attributes
    ----------
    value : float
        Mean of ``blocks``; lower is better.
    blocks : tuple of float
        Loss relative to the baseline's by block of time, in time order; blocks are of equal length.
    """

    value: float
    blocks: tuple[float, ...]


def metric_name(spec: ModelSpec) -> str:
    """Return the objective's name, without dots or slashes, which Katib's collector does not match."""
    return f"{spec.gate.metric}_ratio"


def block_names(count: int) -> list[str]:
    """Return the names of the blocks' losses, in order."""
    return [f"block_{i}" for i in range(count)]


class Objective:
    """Scores hyper-parameters of one model on one dataset; pure but for a cache of candidates' predictions.

    A candidate is fitted again only when one of the hyper-parameters that concern it has changed (``candidates`` in
    the search space; a hyper-parameter that does not say concerns all of them).

    Parameters
    ----------
    spec : ModelSpec
        The model, with the asked horizons.
    data, folds
        The run's dataset and its walk-forward folds.
    fixed : mapping
        Hyper-parameters that a person has given; they are not searched. The seed is one of them.
    """

    def __init__(self, spec: ModelSpec, data: Dataset, folds: Folds, fixed: Mapping[str, Any]) -> None:
        self.spec, self.data, self.fixed = spec, data, dict(fixed)
        self.folds = tuning_folds(data, folds)
        self.space: Space = space_of(spec).without(fixed)
        self.fits = 0
        self._context = None if spec.judge else Context.of(spec, data, folds)
        self._kept: dict[tuple[str, int], tuple[str, dict[str, FloatArray]]] = {}

    @property
    def blocks(self) -> int:
        """How many blocks a score has."""
        return BLOCKS * len(self.folds)

    def default(self) -> dict[str, Any]:
        """Return the model's own values of what is searched."""
        return self.space.defaults

    def __call__(self, assignment: Mapping[str, Any]) -> Score:
        """Train what has changed, and score.

        Parameters
        ----------
        assignment : mapping
            A value for everything that is searched, typed or as text.

        Raises
        ------
        ConfigurationError
            If the assignment does not fit the space, or the score is not finite.
        """
        chosen = self.space.parse(assignment)
        params = {**self.fixed, **chosen}
        loss, fold = self._judged(params) if self._context is None else self._forecast(self._context, params)
        blocks = _block_means(loss, fold)
        if not np.isfinite(loss).all():
            raise ConfigurationError(f"{chosen} gives a loss that is not finite.", "Narrow the search space.")
        return Score(float(np.mean(blocks)), blocks)

    def _forecast(self, context: Context, params: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
        """Return loss relative to the baseline's and fold of every time."""
        parts = []
        for fold in self.folds:
            model, held, tested = self._blended(fold, params)
            parts.append(fold_backtest(context, model, fold, held, tested))
        whole = join(parts)
        metric, nominal = self.spec.gate.metric, self.spec.coverage
        baseline = next(iter(whole.baselines.values()))
        scale = row_loss(whole, baseline, metric, nominal).mean(axis=0)
        loss = by_time((row_loss(whole, whole.model, metric, nominal) / scale).mean(axis=1), whole.times)
        return loss, by_time(whole.fold.astype(np.float64), whole.times)

    def _judged(self, params: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
        """The same of a model that has a judge; a loss may be negative, so the baseline's size scales it."""
        judge: Judge = self.spec.resolve(self.spec.judge)
        losses, rivals, times, numbers = [], [], [], []
        for fold in self.folds:
            model, _, tested = self._blended(fold, params)
            rows = self.data.take(fold.test)
            history = self.data.take(np.sort(np.concatenate([fold.train, fold.validation])))
            losses.append(judge.loss(model.finish(tested, rows.inputs), rows))
            rivals.append(judge.loss(next(iter(judge.baselines.values()))(history, rows), rows))
            times.append(rows.times)
            numbers.append(np.full(len(rows), float(fold.number)))
        scale, stamps = abs(float(np.concatenate(rivals).mean())), np.concatenate(times)
        return by_time(np.concatenate(losses) / scale, stamps), by_time(np.concatenate(numbers), stamps)

    def _blended(self, fold: Fold, params: Mapping[str, Any]) -> tuple[Model, Any, Any]:
        stored = {name: self._predictions(name, fold, params) for name in self._candidates(params)}
        held, tested = ({n: p[part] for n, p in stored.items()} for part in ("validation", "test"))
        return make_model(self.spec, params).combine(held, self.data.take(fold.validation)), held, tested

    def _candidates(self, params: Mapping[str, Any]) -> list[str]:
        model = make_model(self.spec, params)
        return list(model.candidates(model.params))

    def _predictions(self, name: str, fold: Fold, params: Mapping[str, Any]) -> dict[str, FloatArray]:
        model = make_model(self.spec, params)
        key = self._key(name, model)
        kept, values = self._kept.get((name, fold.number), ("", {}))
        if kept == key:
            return values
        train, held = self.data.take(fold.train), self.data.take(fold.validation)
        candidate = model.candidates(model.params)[name]().fit(train, held)
        self.fits += 1
        rows = {"validation": held, "test": self.data.take(fold.test)}
        values = {part: np.asarray(candidate.predict(d.inputs), dtype=np.float64) for part, d in rows.items()}
        self._kept[name, fold.number] = (key, values)
        return values

    def _key(self, name: str, model: Model) -> str:
        """Everything that the candidate's fit may depend on, as text."""
        skip = {p.name for p in self.space.parameters if p.candidates is not None and name not in p.candidates}
        return json.dumps({k: v for k, v in asdict(model.params).items() if k not in skip}, default=str)


def _block_means(loss: FloatArray, fold: FloatArray) -> tuple[float, ...]:
    parts = [part for number in np.unique(fold) for part in np.array_split(loss[fold == number], BLOCKS)]
    return tuple(float(part.mean()) for part in parts)
