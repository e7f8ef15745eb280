"""Makes artifacts and rows of the mixed model in ``tests/rooms``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from components.catalog import get_spec
from components.registry.artifact import Artifact, write_artifact
from tests.support.tiny import test_rooms


def mixed_rows(rows: int, seed: int = 3) -> dict[str, np.ndarray[Any, Any]]:
    """Return valid inputs."""
    rng = np.random.default_rng(seed)
    return {
        "text": np.array([f"nota {'ä' * int(n)}" for n in rng.integers(0, 5, rows)], dtype=object),
        "count": rng.integers(-100, 100, (rows, 2)),
        "flag": rng.random(rows) < 0.5,
        "grid": rng.normal(size=(rows, 2, 2)).astype(np.float32),
    }


def make_mixed_artifact(directory: Path) -> Artifact:
    """Write the mixed model's artifact."""
    with test_rooms():
        spec = get_spec("mixed")
        return write_artifact(directory, spec, spec.load_model_class()(), mixed_rows(2), {"version": "5"})
