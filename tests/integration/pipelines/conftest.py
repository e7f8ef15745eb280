"""A run of the tiny model's whole graph, shared by the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.tiny import test_rooms


@pytest.fixture(scope="module", autouse=True)
def rooms() -> Iterator[None]:
    with test_rooms():
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")
