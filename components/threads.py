"""The variables that say how many threads numeric libraries take."""

from __future__ import annotations

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
"""Set to one in training graphs and in trials: results depend on the number of threads."""
