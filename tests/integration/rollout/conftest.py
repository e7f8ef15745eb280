"""Artifacts of three tiny versions, and a serving whose processes never outlive a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.local import LocalServing
from tests.integration.rollout.kubernetes_fixture import Cluster, fake
from tests.integration.rollout.real_kubernetes import missing_for_real, real
from tests.support.tiny import make_tiny_artifact, test_rooms

BIAS = {"1": 0.0, "2": 1e-5, "3": 0.5}
"""Version 2 predicts nearly the same; version 3 is half the price too high."""


@pytest.fixture(scope="session")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tiny")
    return {v: make_tiny_artifact(folder / v, bias=bias).directory for v, bias in BIAS.items()}


@pytest.fixture
def serving(tmp_path: Path) -> Iterator[LocalServing]:
    with test_rooms():
        serving = LocalServing(tmp_path)
        yield serving
        serving.stop_all()


@pytest.fixture(params=["fake", "real"])
def kubernetes(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A cluster to roll out on: the fake one, and a real API server where its programs are given."""
    if request.param == "fake":
        with fake() as cluster:
            yield cluster
        return
    missing = missing_for_real()
    if missing:
        pytest.skip(missing)
    with real() as cluster:
        yield cluster


@pytest.fixture
def pretended() -> Iterator[Cluster]:
    """The fake cluster, for faults that a real one cannot be told to have."""
    with fake() as cluster:
        yield cluster
