"""How far stated probabilities are from frequencies, beyond what so few rows would show by chance."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from components.evaluation.calibration import reliability
from components.finance.goals import FloatArray

BINS = 5


def calibration_error(probability: FloatArray, happened: npt.NDArray[np.bool_]) -> float:
    """Return the debiased root mean square calibration error, a share.

    The plain error is never 0: in a bin of ``n`` rows the frequency strays by ``f (1 - f) / (n - 1)`` squared even from
    perfect probabilities. That much is subtracted.

    Notes
    -----
    Kumar, Liang and Ma (2019), Verified Uncertainty Calibration, arXiv:1909.10155, section 4.
    """
    bins = reliability(probability, happened, BINS)["bins"]
    rows = sum(part["rows"] for part in bins)
    total = sum(
        part["rows"]
        * (
            (part["probability"] - part["frequency"]) ** 2
            - part["frequency"] * (1 - part["frequency"]) / max(part["rows"] - 1, 1)
        )
        for part in bins
    )
    return math.sqrt(max(total / rows, 0.0))
