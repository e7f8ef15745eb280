"""Exact TreeSHAP of an XGBoost model through its C interface, without XGBoost's Python package.

Source: S. Lundberg et al. (2020), From local explanations to global understanding with explainable AI for trees,
Nat. Mach. Intell. 2, doi:10.1038/s42256-019-0138-9; https://xgboost.readthedocs.io/en/stable/c.html,
``XGBoosterPredictFromDMatrix`` with type 2.
"""

from __future__ import annotations

import ctypes
import json

import numpy as np
import numpy.typing as npt

from components.models.xgboost_native import NativeBooster

_POINTER = ctypes.POINTER
MARGIN, CONTRIBUTIONS = 1, 2
"""Types of prediction in XGBoost's C interface."""


class ExplainedBooster(NativeBooster):
    """A booster that also tells each feature's contribution to its margin."""

    def contributions(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return exact SHAP values against the training data that the trees' covers remember.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, features)

        Returns
        -------
        ndarray of float64, shape (n, features + 1)
            The last column is the base value; a row's sum is its margin.

        Raises
        ------
        ArtifactCorrupt
            If XGBoost refuses the rows, or the model answers more than one number.
        """
        return self._predict(rows, CONTRIBUTIONS).reshape(len(rows), -1)

    def margin(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Return the raw sum of the trees, shape (n,)."""
        return self._predict(rows, MARGIN).reshape(len(rows))

    def _predict(self, rows: npt.NDArray[np.float32], kind: int) -> npt.NDArray[np.float64]:
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        data = {"data": [rows.ctypes.data, True], "shape": rows.shape, "typestr": "<f4", "version": 3}
        matrix, library = ctypes.c_void_p(), self._library
        library.XGDMatrixFree.argtypes = [ctypes.c_void_p]
        config = json.dumps({"missing": float("nan"), "nthread": 1}).encode()
        self._call(library.XGDMatrixCreateFromDense(json.dumps(data).encode(), config, ctypes.byref(matrix)))
        try:
            return self._of_matrix(matrix, kind)
        finally:
            library.XGDMatrixFree(matrix)

    def _of_matrix(self, matrix: ctypes.c_void_p, kind: int) -> npt.NDArray[np.float64]:
        asked = {"type": kind, "training": False, "iteration_begin": 0, "iteration_end": 0, "strict_shape": True}
        shape, dimensions = _POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        result = _POINTER(ctypes.c_float)()
        self._call(
            self._library.XGBoosterPredictFromDMatrix(
                self._handle,
                matrix,
                json.dumps(asked).encode(),
                ctypes.byref(shape),
                ctypes.byref(dimensions),
                ctypes.byref(result),
            )
        )
        size = tuple(shape[i] for i in range(dimensions.value))
        return np.ctypeslib.as_array(result, size).astype(np.float64)
