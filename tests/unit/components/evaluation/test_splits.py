from pathlib import Path

import numpy as np
import pytest

from components.data.dataset import Dataset
from components.errors import DataRejected
from components.evaluation.splits import Folds, walk_forward

AHEAD = 21


def make(times: int = 1000, entities: tuple[str, ...] = ("A", "B")) -> Dataset:
    days = np.datetime64("2001-01-01", "ns") + np.arange(times + AHEAD) * np.timedelta64(1, "D")
    rows = np.repeat(np.arange(times), len(entities))
    return Dataset(
        {"x": np.zeros((len(rows), 1))},
        {"y": np.zeros((len(rows), 1))},
        days[rows],
        days[rows + AHEAD],
        np.array(list(entities) * times, dtype=object),
    )


def test_nothing_known_later_is_used_earlier() -> None:
    data = make()
    folds = walk_forward(data)
    for fold in folds.every:
        assert data.label_times[fold.train].max() < data.times[fold.validation].min()
        if len(fold.test):
            assert data.label_times[fold.validation].max() < data.times[fold.test].min()


def test_test_blocks_follow_each_other_and_reach_the_end() -> None:
    data = make()
    folds = walk_forward(data)
    tests = np.concatenate([f.test for f in folds.folds])
    assert len(tests) == len(set(tests.tolist())) == pytest.approx(0.6 * len(data), abs=4)
    assert data.times[tests].max() == data.times.max()
    assert data.times[folds.final.validation].max() == data.times.max()


def test_all_entities_of_one_time_are_in_the_same_part() -> None:
    data = make()
    for fold in walk_forward(data).every:
        for part in (fold.train, fold.validation, fold.test):
            times, counts = np.unique(data.times[part], return_counts=True)
            assert (counts == 2).all()
            assert len(times) * 2 == len(part)


def test_an_embargo_widens_the_gap() -> None:
    data = make()
    plain, wide = walk_forward(data), walk_forward(data, embargo=np.timedelta64(5, "D"))
    assert len(plain.folds[0].train) - len(wide.folds[0].train) == 2 * 5


def test_folds_survive_the_file(tmp_path: Path) -> None:
    folds = walk_forward(make())
    folds.write(tmp_path / "folds.json")
    again = Folds.read(tmp_path / "folds.json")
    assert again.rows == folds.rows
    for a, b in zip(folds.every, again.every, strict=True):
        assert a.number == b.number
        for part in ("train", "validation", "test"):
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part))


def test_too_little_data_is_refused_by_part() -> None:
    with pytest.raises(DataRejected, match=r"Fold 0 has \d+ train rows"):
        walk_forward(make(200, ("A",)))


def test_shares_that_leave_no_training_rows_are_refused() -> None:
    with pytest.raises(DataRejected, match="no training rows"):
        walk_forward(make(), test_share=0.9, validation_share=0.2)
