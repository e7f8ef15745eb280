"""Which rows may choose hyper-parameters, and which are kept to judge the choice.

The walk-forward folds of a training run end with the most recent test block. If the hyper-parameters were chosen on
every block, the gate would judge the tuned model on rows that had chosen it, and its score would be the luckiest of
all trials' scores. So the last block is kept: trials are scored on the earlier blocks only, and on no row of them whose
label becomes known after the last block began; the gate then judges the tuned model on the last block alone. It pays
with fewer rows: a tuned model must show its worth on one block, where an untuned one has all of them.

The kept block's validation rows, which set blend weights and intervals, do lie in the tuning period. They are in-sample
for every model here, tuned or not; no figure is reported on them.
"""

from __future__ import annotations

from dataclasses import replace

from components.data.dataset import Dataset
from components.errors import DataRejected
from components.evaluation.splits import MIN_ROWS, Fold, Folds


def tuning_folds(data: Dataset, folds: Folds) -> tuple[Fold, ...]:
    """Return the earlier folds, purged of test rows whose label is known only after the kept block began.

    Raises
    ------
    DataRejected
        If there are fewer than two folds, or purging leaves too few rows.
    """
    _require_two(folds)
    begin = data.times[folds.folds[-1].test].min()
    kept = []
    for fold in folds.folds[:-1]:
        test = fold.test[data.label_times[fold.test] < begin]
        if len(test) < MIN_ROWS:
            raise DataRejected(
                f"Fold {fold.number} has {len(test)} test rows to tune on, at least {MIN_ROWS} are needed.",
                "Bring more history.",
            )
        kept.append(replace(fold, test=test))
    return tuple(kept)


def judging_folds(folds: Folds) -> Folds:
    """Return what the tuned model is trained and judged on: the last fold, and the final split."""
    _require_two(folds)
    return Folds(folds.folds[-1:], folds.final, folds.rows)


def _require_two(folds: Folds) -> None:
    if len(folds.folds) < 2:
        raise DataRejected(
            f"There are {len(folds.folds)} walk-forward folds; tuning needs at least two.",
            "Split with more folds: the last is kept to judge the tuned model.",
        )
