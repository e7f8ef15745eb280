"""XGBoost's own predictor in a server, for batches that it answers faster than ONNX Runtime. Optional: see ``engines``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from components.models.contract import FloatArray
from components.models.engines import EngineTable
from components.models.markets.price_forecast.inputs import Prepared


def predict_trees(boosters: Sequence[Any], x: Prepared, steps: FloatArray) -> FloatArray:
    """Return log returns from native boosters, one per horizon, shape (rows, horizons)."""
    units = np.stack([b.inplace_predict(x.tabular) for b in boosters], axis=1).astype(np.float64)
    returns: FloatArray = units * (x.scale * np.sqrt(steps))
    return returns


def load_boosters(files: Sequence[bytes], table: EngineTable | None) -> list[Any]:
    """Return the boosters when the table says that they ever win and the library is installed, else nothing.

    Parameters
    ----------
    files : sequence of bytes
        UBJ, one per horizon.
    table : EngineTable or None
        Measured when the member was trained.
    """
    if not files or table is None or table.native_from is None or find_spec("xgboost") is None:
        return []
    import xgboost as xgb

    boosters = []
    for data in files:
        booster = xgb.Booster({"nthread": 1})
        booster.load_model(bytearray(data))
        boosters.append(booster)
    return boosters
