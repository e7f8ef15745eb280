"""Fixtures of the whole suite: every model of the catalogue, trained once per session by its real graph."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.settings import settings
from pipelines.result import RunResult
from tests.support.redis_server import redis_process, redis_server, redis_url  # noqa: F401


@pytest.fixture(scope="session")
def trained_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home that :func:`trained` trains in."""
    return tmp_path_factory.mktemp("trained")


@pytest.fixture(scope="session")
def trained(trained_home: Path) -> Callable[[str], RunResult]:
    """Run a model's training graph, once per session."""
    from pipelines.local import run_training

    results: dict[str, RunResult] = {}

    def train(name: str) -> RunResult:
        if name not in results:
            results[name] = run_training(name, {}, trained_home)
        return results[name]

    return train


@pytest.fixture
def at_home(trained_home: Path) -> Iterator[Path]:
    """Let this process's settings point to the trained home."""
    before = os.environ.get("ARTHAFLOW_HOME")
    os.environ["ARTHAFLOW_HOME"] = str(trained_home)
    settings.cache_clear()
    yield trained_home
    settings.cache_clear()
    if before is None:
        del os.environ["ARTHAFLOW_HOME"]
    else:
        os.environ["ARTHAFLOW_HOME"] = before
