"""Makes artifacts of the tiny models in ``tests/rooms`` and puts their room on the model path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from components import models
from components.catalog import catalogue, get_spec
from components.registry.artifact import Artifact, read_artifact, write_artifact, write_manifest

ROOMS = Path(__file__).resolve().parents[1] / "rooms"
VARIABLE = "ARTHAFLOW_MODEL_PATH"


def room_environment() -> dict[str, str]:
    """Return this process's environment with the tests' room on the model path, for a child process."""
    paths = [*filter(None, os.environ.get(VARIABLE, "").split(os.pathsep))]
    return {**os.environ, VARIABLE: os.pathsep.join(dict.fromkeys([*paths, str(ROOMS)]))}


@contextmanager
def test_rooms() -> Iterator[None]:
    """Put the tests' room on the model path of this process, and take it off again."""
    before, variable = list(models.__path__), os.environ.get(VARIABLE)
    if str(ROOMS) not in before:
        models.__path__ = [*before, str(ROOMS)]
    os.environ[VARIABLE] = room_environment()[VARIABLE]
    catalogue.cache_clear()
    try:
        yield
    finally:
        models.__path__ = before
        os.environ.pop(VARIABLE, None)
        if variable is not None:
            os.environ[VARIABLE] = variable
        catalogue.cache_clear()


test_rooms.__test__ = False  # type: ignore[attr-defined]  # pytest would collect the name


def make_tiny_artifact(directory: Path, *, bias: float = 0.0, seed: int = 7) -> Artifact:
    """Train the tiny model and write its artifact, with background and reference rows as ``assemble`` writes them.

    Parameters
    ----------
    directory : Path
        Becomes the artifact.
    bias : float
        Added to every predicted return, decimal: a visibly different second version, or a bad third one.
    seed : int
        Of the generated data.
    """
    with test_rooms():
        spec = get_spec("tiny")
        from components.models.lab.tiny.data import make_dataset

        data = make_dataset(seed=seed)
        train, validation = data.take(np.arange(900)), data.take(np.arange(905, 1200))
        model: Any = spec.load_model_class()().fit(train, validation)
        model.ridge.weights[0] += bias
        golden = {k: v[:3] for k, v in validation.inputs.items()}
        write_artifact(directory, spec, model, golden, {"metrics": {}, "lineage": {"seed": seed, "bias": bias}})
        train.take(np.arange(0, 896, 14)).write(directory / "model" / "background.parquet")
        train.write(directory / "model" / "reference.parquet")
        write_manifest(directory, spec.name)
        return read_artifact(directory)


def tiny_rows(rows: int, seed: int = 11) -> dict[str, np.ndarray[Any, Any]]:
    """Return valid inputs of the tiny model, by tensor."""
    with test_rooms():
        from components.models.lab.tiny.data import make_dataset

        return make_dataset(rows, seed).inputs


def make_judged_artifact(directory: Path) -> Artifact:
    """Train the judged model (a direct model of any number of holdings) and write its artifact, with its rows."""
    with test_rooms():
        spec = get_spec("judged")
        from components.models.lab.judged.data import make_dataset

        data = make_dataset()
        train, validation = data.take(np.arange(900)), data.take(np.arange(905, 1200))
        model: Any = spec.load_model_class()().fit(train, validation)
        golden = {k: v[:3] for k, v in validation.inputs.items()}
        write_artifact(directory, spec, model, golden, {"metrics": {}, "lineage": {}})
        train.take(np.arange(0, 896, 14)).write(directory / "model" / "background.parquet")
        train.write(directory / "model" / "reference.parquet")
        write_manifest(directory, spec.name)
        return read_artifact(directory)
