"""The objective: the gate's ratio, on rows that the gate will not see, deterministic, training no more than it must."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.errors import ConfigurationError, DataRejected
from components.evaluation.splits import Folds, walk_forward
from components.models.spec import ModelSpec
from components.training import evaluate, train_candidate
from components.tuning.folds import judging_folds, tuning_folds
from components.tuning.objective import BLOCKS, Objective


def test_no_label_of_a_tuning_row_reaches_the_kept_block(data: Dataset, folds: Folds) -> None:
    kept = folds.folds[-1]
    begin = data.times[kept.test].min()
    for fold in tuning_folds(data, folds):
        for part in (fold.train, fold.validation, fold.test):
            assert data.label_times[part].max() < begin
    assert len(tuning_folds(data, folds)[-1].test) < len(folds.folds[-2].test)
    judged = judging_folds(folds)
    assert [f.number for f in judged.folds] == [kept.number]
    assert judged.final is folds.final


def test_the_kept_block_does_not_change_a_score(tiny: ModelSpec, data: Dataset, folds: Folds) -> None:
    """Whatever happened there: prices ten times as high leave every score as it was."""
    begin = data.times[folds.folds[-1].test].min()
    late = data.times >= begin
    price = np.where(late[:, None], 10 * data.targets["price"], data.targets["price"])
    changed = replace(data, targets={"price": price})
    scores = [Objective(tiny, d, folds, {})({"alpha": 3.0}) for d in (data, changed)]
    assert scores[0] == scores[1]


def test_it_is_the_gates_ratio(tiny: ModelSpec, data: Dataset, folds: Folds, tmp_path: Path) -> None:
    objective = Objective(tiny, data, folds, {})
    score = objective({"alpha": 3.0})
    earlier = Folds(tuning_folds(data, folds), folds.final, folds.rows)
    train_candidate(tiny, "ridge", data, earlier, tmp_path / "ridge", {"alpha": 3.0})
    told = evaluate(tiny, data, earlier, {"ridge": tmp_path / "ridge"}, {"alpha": 3.0}, None).figures
    assert score.value == pytest.approx(told["gate"]["ratio"], rel=0.01)  # blocks differ in length by one time
    assert len(score.blocks) == objective.blocks == BLOCKS * 2
    assert score.value == pytest.approx(np.mean(score.blocks))


def test_it_is_deterministic_and_fits_only_what_changed(tiny: ModelSpec, data: Dataset, folds: Folds) -> None:
    objective = Objective(tiny, data, folds, {})
    first = objective({"alpha": "3"})
    assert objective.fits == 2
    assert objective({"alpha": 3.0}) == first
    assert objective.fits == 2
    assert objective({"alpha": 30.0}) != first
    assert objective.fits == 4
    assert Objective(tiny, data, folds, {})({"alpha": 3.0}) == first


def test_a_bad_assignment_is_refused(tiny: ModelSpec, data: Dataset, folds: Folds) -> None:
    with pytest.raises(ConfigurationError, match=r"alpha='1000'.*\[0.1, 100\]"):
        Objective(tiny, data, folds, {})({"alpha": "1000"})
    with pytest.raises(ConfigurationError, match="nothing left to tune"):
        Objective(tiny, data, folds, {"alpha": 1.0})


def test_one_fold_is_too_few(tiny: ModelSpec, data: Dataset) -> None:
    with pytest.raises(DataRejected, match="at least two"):
        Objective(tiny, data, walk_forward(data, folds=1), {})
