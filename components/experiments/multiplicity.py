"""Many questions at once: p-values and e-values adjusted so that chance findings stay rare."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from components.experiments.users import Vector


def holm(p_values: Sequence[float]) -> Vector:
    """Return p-values that control the chance of any false finding. Holm (1979), jstor:4615733."""
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    raw = p[order] * np.arange(len(p), 0, -1)
    out = np.empty(len(p))
    out[order] = np.minimum(1.0, np.maximum.accumulate(raw)) if len(p) else raw
    return out


def benjamini_hochberg(p_values: Sequence[float]) -> Vector:
    """Return p-values that control the share of false findings. Benjamini and Hochberg (1995),
    doi:10.1111/j.2517-6161.1995.tb02031.x; valid where the tests are independent or positively dependent.
    """
    p = np.asarray(p_values, dtype=float)
    order = np.argsort(p, kind="stable")
    raw = p[order] * len(p) / np.arange(1, len(p) + 1)
    out = np.empty(len(p))
    out[order] = np.minimum(1.0, np.minimum.accumulate(raw[::-1])[::-1]) if len(p) else raw
    return out


def e_benjamini_hochberg(e_values: Sequence[float]) -> Vector:
    """Return, for each e-value, the smallest level of false findings at which e-BH would call it one.

    Valid under any dependence between the tests and at any stopping time. Wang and Ramdas (2022),
    doi:10.1111/rssb.12489: it is Benjamini and Hochberg's procedure on the inverse e-values.
    """
    e = np.asarray(e_values, dtype=float)
    return benjamini_hochberg(np.where(e > 0, 1.0 / np.maximum(e, 1e-300), np.inf).tolist())
