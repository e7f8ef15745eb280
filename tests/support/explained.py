"""Problems to explain whose true answer is known: functions of five features, in place of a served model."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from components.models.schema import Batch, Column, Schema, Tensor
from components.models.spec import ExplainerSpec
from inference.explain.packing import FloatArray, Packing
from inference.explain.problem import Problem, find_target

COLUMNS = (
    Column("close", "points", minimum=0.0),
    Column("rsi", "percent", minimum=0.0, maximum=100.0),
    Column("ratio"),
    Column("flat"),
    Column("orders"),
)
INPUTS = Schema(
    (
        Tensor("features", "FP64", (4,), COLUMNS[:4]),
        Tensor("orders", "INT64", (1,), (COLUMNS[4],)),
        Tensor("window", "FP32", (3, 2), (Column("o"), Column("c"))),
    )
)
OUTPUTS = Schema((Tensor("score", "FP64", unit="points"),))
WEIGHTS = np.array([0.5, -2.0, 7.0, 3.0, 0.25])


def linear(features: FloatArray, orders: FloatArray, window: FloatArray) -> FloatArray:
    """Return ``WEIGHTS`` times the five single features, plus 4."""
    values: FloatArray = np.column_stack([features, orders]) @ WEIGHTS + 4.0
    return values


def problem(
    answer: Callable[[FloatArray, FloatArray, FloatArray], FloatArray] = linear,
    rows: int = 64,
    background: FloatArray | None = None,
) -> Problem:
    """Return the problem of explaining a function of (features, orders, window); ``flat`` never varies."""

    def predict(batch: Batch, outputs: tuple[str, ...]) -> Batch:
        INPUTS.validate(batch)  # as a served model would: no method may send what a model refuses
        return {"score": answer(batch["features"], batch["orders"].astype(float), batch["window"].astype(float))}

    return Problem(
        Packing(INPUTS),
        made(rows) if background is None else background,
        predict,
        find_target(OUTPUTS, ExplainerSpec()),
        outputs=OUTPUTS,
    )


def made(rows: int, seed: int = 3) -> FloatArray:
    """Return packed background rows of shape (rows, 11)."""
    rng = np.random.default_rng(seed)
    features = np.column_stack(
        [rng.uniform(50, 150, rows), rng.uniform(5, 95, rows), rng.normal(1, 0.2, rows), np.full(rows, 1.5)]
    )
    window = rng.normal(size=(rows, 6)).astype(np.float32).astype(float)
    return np.column_stack([features, rng.integers(0, 40, rows).astype(float), window])


def instance() -> FloatArray:
    """Return a packed row within the background's ranges, for which :func:`linear` is 14.5."""
    row = made(1, seed=5)[0]
    row[:5] = (100.0, 30.0, 1.0, 1.5, 36.0)
    return row
