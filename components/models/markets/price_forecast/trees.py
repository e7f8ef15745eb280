"""XGBoost's own predictor in a server, where the measured table says that it beats ONNX Runtime. Optional."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec

import numpy as np

from components.models.contract import FloatArray
from components.models.engines import EngineTable
from components.models.markets.price_forecast.inputs import Prepared
from components.models.xgboost_native import NativeBooster

ONNX, NATIVE = "onnx", "xgboost"
LARGEST_BATCH = 256
"""Batches up to this are looked at when the server decides whether XGBoost's library is worth loading."""


def predict_trees(boosters: Sequence[NativeBooster], x: Prepared, steps: FloatArray) -> FloatArray:
    """Return log returns from XGBoost's own predictor, one booster per horizon, shape (rows, horizons)."""
    units = np.concatenate([b.predict(x.tabular) for b in boosters], axis=1).astype(np.float64)
    returns: FloatArray = units * (x.scale * np.sqrt(steps))
    return returns


def load_boosters(files: Sequence[bytes], table: EngineTable | None) -> list[NativeBooster]:
    """Return the boosters when the table says that they ever win and the library is installed, else nothing.

    Parameters
    ----------
    files : sequence of bytes
        UBJ, one per horizon.
    table : EngineTable or None
        Measured when the member was trained; engines :data:`ONNX` and :data:`NATIVE`.
    """
    if not files or table is None or find_spec("xgboost") is None:
        return []
    sizes = (2**power for power in range(LARGEST_BATCH.bit_length()))
    if all(table.pick(rows) == ONNX for rows in sizes):
        return []
    return [NativeBooster(data) for data in files]
