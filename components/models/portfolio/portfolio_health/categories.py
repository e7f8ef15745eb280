"""The words for a score: document 0's example calls 78 Good. Imports numpy only."""

from __future__ import annotations

from typing import Final

import numpy as np

from components.models.contract import FloatArray, Outputs

CATEGORIES: Final = ("Poor", "Fair", "Good", "Excellent")
EDGES: Final = (50.0, 70.0, 85.0)
"""Least score of each category but the first, points; the score is rounded to whole points first, as it is shown."""


def categorise(health: FloatArray) -> Outputs:
    """Return the output ``category`` of scores of shape (rows,)."""
    names = np.array(CATEGORIES, dtype=object)
    return {"category": names[np.searchsorted(np.array(EDGES), np.rint(health), side="right")]}
