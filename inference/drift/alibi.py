"""Alibi Detect's Kolmogorov-Smirnov and MMD tests, where that library is installed.

Alibi Detect (0.13) is under the Business Source License 1.1 and needs numpy below 2: it lives in
an optional environment, and the platform never depends on it.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from inference.drift.ks import holm, ks_critical
from inference.drift.mmd import PERMUTATIONS, SEED, standardise, subsample
from inference.drift.result import JOINT, FloatArray, TestResult

MISSING = "alibi-detect is not installed here; run the detector with the Python of .venv-explain"


def available() -> bool:
    """Tell whether Alibi Detect can be imported, without importing it (which takes about 6 s)."""
    return find_spec("alibi_detect") is not None


def alibi_ks_test(
    reference: FloatArray, window: FloatArray, columns: tuple[str, ...], alpha: float
) -> list[TestResult]:
    """Run ``alibi_detect.cd.KSDrift``; its p-values are Holm-adjusted here, as our own test's are."""
    from alibi_detect.cd import KSDrift

    detector = KSDrift(reference, p_val=alpha, correction="bonferroni")
    data = detector.predict(window, drift_type="feature", return_p_val=True, return_distance=True)["data"]
    adjusted = holm(np.asarray(data["p_val"], dtype=np.float64))
    threshold = ks_critical(alpha / len(columns), len(window), len(reference))
    return [
        TestResult("alibi_ks", column, float(distance), float(p), threshold, alpha, bool(p <= alpha))
        for column, distance, p in zip(columns, data["distance"], adjusted, strict=True)
    ]


def alibi_mmd_test(
    reference: FloatArray, window: FloatArray, columns: tuple[str, ...], alpha: float
) -> list[TestResult]:
    """Run ``alibi_detect.cd.MMDDrift`` (torch backend) on the same standardised rows as our own test."""
    import torch
    from alibi_detect.cd import MMDDrift

    first, second = standardise(subsample(reference), window)
    torch.manual_seed(SEED)
    detector = MMDDrift(
        first.astype(np.float32), backend="pytorch", p_val=alpha, n_permutations=PERMUTATIONS, device="cpu"
    )
    data = detector.predict(second.astype(np.float32))["data"]
    return [
        TestResult(
            "alibi_mmd",
            JOINT,
            float(data["distance"]),
            float(data["p_val"]),
            float(data["distance_threshold"]),
            alpha,
            bool(data["is_drift"]),
        )
    ]
