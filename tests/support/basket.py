"""Makes artifacts, rows and problems of the basket model in ``tests/rooms``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.catalog import get_spec
from components.data.dataset import Dataset
from components.models.contract import Model
from components.models.schema import Batch
from components.registry.artifact import Artifact, write_artifact, write_manifest
from inference.explain.packing import Packing
from inference.explain.problem import Problem, find_parts, find_target
from tests.support.tiny import test_rooms

NAMES = np.array(["A", "BB", "CCC", "DDDD"], dtype=object)


def basket_rows(rows: int, seed: int = 3) -> dict[str, np.ndarray[Any, Any]]:
    """Return valid inputs of two to four holdings, padded to four as a dataset is."""
    rng = np.random.default_rng(seed)
    held = np.arange(4)[None, :] < rng.integers(2, 5, rows)[:, None]
    weights = np.where(held, rng.uniform(0.1, 1.0, (rows, 4)), 0.0)
    return {
        "holdings": np.where(held, NAMES[None, :], "").astype(object),
        "weights": weights / weights.sum(axis=1, keepdims=True),
        "correlations": np.broadcast_to(0.5 + 0.5 * np.eye(4), (rows, 4, 4)).copy(),
        "terms": np.column_stack([rng.uniform(0.6, 2.5, rows), rng.uniform(5.0, 40.0, rows)]),
    }


def basket() -> Model:
    """Return the model."""
    with test_rooms():
        made: Model = get_spec("basket").load_model_class()()
        return made


def basket_problem(rows: int = 24, **changed: Any) -> Problem:
    """Return the problem of explaining a basket's risk; ``changed`` fields of its explainer's spec."""
    from dataclasses import replace

    model, made = basket(), basket_rows(rows)
    with test_rooms():
        spec = replace(get_spec("basket").explainer, **changed)
    packing = Packing(model.input_schema)

    def predict(batch: Batch, outputs: tuple[str, ...]) -> Batch:
        model.input_schema.validate(batch)
        answered = model.predict(batch)
        return {name: answered[name] for name in outputs}

    return Problem(
        packing,
        packing.pack(made),
        predict,
        find_target(model.output_schema, spec),
        outputs=model.output_schema,
        contexts=packing.context(made),
        parts=find_parts(model.input_schema, model.output_schema, spec),
    )


def make_basket_artifact(directory: Path) -> Artifact:
    """Write the basket model's artifact, with background and reference rows."""
    made = basket_rows(64)
    times = np.datetime64("2020-01-01", "ns") + np.arange(64) * np.timedelta64(1, "D")
    data = Dataset(made, {}, times, times, np.full(64, "basket", dtype=object))
    with test_rooms():
        spec = get_spec("basket")
        golden = {name: values[:3] for name, values in made.items()}
        artifact = write_artifact(directory, spec, basket(), golden, {"version": "1"})
    data.write(directory / "model" / "background.parquet")
    data.write(directory / "model" / "reference.parquet")
    write_manifest(directory, spec.name)
    return artifact
