"""The tiny model's inputs of trials."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from components.catalog import get_spec
from components.data.dataset import Dataset
from components.evaluation.splits import Folds, walk_forward
from components.models.spec import ModelSpec
from tests.support.tiny import test_rooms


@pytest.fixture(autouse=True)
def rooms() -> Iterator[None]:
    with test_rooms():
        yield


@pytest.fixture
def tiny() -> ModelSpec:
    return get_spec("tiny")


@pytest.fixture
def data() -> Dataset:
    from components.models.lab.tiny.data import make_dataset

    return make_dataset()


@pytest.fixture
def folds(data: Dataset) -> Folds:
    return walk_forward(data)


@pytest.fixture
def files(data: Dataset, folds: Folds, tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "dataset", tmp_path / "folds"
    data.write(paths[0])
    folds.write(paths[1])
    return paths
