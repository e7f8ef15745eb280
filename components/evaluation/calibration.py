"""Calibration of probabilities: reliability table and expected calibration error."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def reliability(
    probability: npt.NDArray[np.float64], happened: npt.NDArray[np.bool_], bins: int = 10
) -> dict[str, Any]:
    """Compare stated probabilities with frequencies in bins of equal mass.

    Parameters
    ----------
    probability : ndarray of shape (rows,)
        Stated probability, decimal.
    happened : ndarray of bool, shape (rows,)
        Whether it came so.
    bins : int
        Largest number of bins; equal probabilities share one.

    Returns
    -------
    dict
        ``ece`` (expected calibration error, decimal), ``brier``, ``mean_probability``, ``frequency`` and ``bins``, each
        with ``probability``, ``frequency`` and ``rows``.

    Notes
    -----
    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning.
    """
    edges = np.unique(np.quantile(probability, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, probability, side="right")
    table = [
        {
            "probability": float(probability[place == b].mean()),
            "frequency": float(happened[place == b].mean()),
            "rows": int(np.sum(place == b)),
        }
        for b in np.unique(place)
    ]
    gaps = [row["rows"] * abs(row["probability"] - row["frequency"]) for row in table]
    return {
        "ece": float(sum(gaps) / len(probability)),
        "brier": float(np.mean((probability - happened) ** 2)),
        "mean_probability": float(probability.mean()),
        "frequency": float(happened.mean()),
        "bins": table,
    }
