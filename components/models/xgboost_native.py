"""XGBoost's own predictor without XGBoost's Python package.

``import xgboost`` brings in SciPy and, where they are installed, pandas, scikit-learn and PyArrow: 180 MB and three
seconds that a server pays to call one function. That function is part of XGBoost's documented and stable C interface,
so it is called directly: 20 MB and five milliseconds.

References
----------
https://xgboost.readthedocs.io/en/stable/c.html, ``XGBoosterPredictFromDense``.
"""

from __future__ import annotations

import ctypes
import json
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.errors import ArtifactCorrupt, ConfigurationError

_POINTER = ctypes.POINTER
_VALUE_OF_PREDICTION = 0


class NativeBooster:
    """A trained XGBoost model that predicts; safe to call from threads.

    Parameters
    ----------
    model : bytes
        A model in UBJSON or JSON, as ``Booster.save_model`` writes it.
    threads : int
        Threads of one call.

    Raises
    ------
    ArtifactCorrupt
        If XGBoost cannot read the model.
    ConfigurationError
        If XGBoost is not installed.
    """

    def __init__(self, model: bytes, threads: int = 1) -> None:
        self._library = _library()
        self._handle = ctypes.c_void_p()
        self._call(self._library.XGBoosterCreate(None, 0, ctypes.byref(self._handle)))
        self._call(self._library.XGBoosterLoadModelFromBuffer(self._handle, model, ctypes.c_uint64(len(model))))
        self._call(self._library.XGBoosterSetParam(self._handle, b"nthread", str(threads).encode()))
        self._config = json.dumps(
            {
                "type": _VALUE_OF_PREDICTION,
                "training": False,
                "iteration_begin": 0,
                "iteration_end": 0,
                "strict_shape": True,
                "missing": float("nan"),
                "cache_id": 0,
            }
        ).encode()

    def predict(self, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Predict rows.

        Parameters
        ----------
        rows : ndarray of float32, shape (n, features)
            NaN means missing.

        Returns
        -------
        ndarray of float32, shape (n, groups)
            The objective's prediction: probabilities for a logistic one.
        """
        rows = np.ascontiguousarray(rows, dtype=np.float32)
        data, shape_text = f"[{rows.ctypes.data},true]", f"[{rows.shape[0]},{rows.shape[1]}]"
        interface = f'{{"data":{data},"shape":{shape_text},"typestr":"<f4","version":3}}'
        shape, dimensions = _POINTER(ctypes.c_uint64)(), ctypes.c_uint64()
        result = _POINTER(ctypes.c_float)()
        self._call(
            self._library.XGBoosterPredictFromDense(
                self._handle,
                interface.encode(),
                self._config,
                None,
                ctypes.byref(shape),
                ctypes.byref(dimensions),
                ctypes.byref(result),
            )
        )
        # The buffer belongs to XGBoost and to this thread until its next call, hence the copy.
        size = tuple(shape[i] for i in range(dimensions.value))
        return np.ctypeslib.as_array(result, size).copy()

    def _call(self, code: int) -> None:
        if code:
            message = self._library.XGBGetLastError().decode(errors="replace").strip().splitlines()
            raise ArtifactCorrupt(
                f"XGBoost refuses the model: {message[0] if message else 'no reason given'}",
                "Fetch the artifact again, or train the model again.",
            )

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.XGBoosterFree(self._handle)


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    found = find_spec("xgboost")
    if found is None or found.origin is None:
        raise ConfigurationError(
            "XGBoost is not installed.", "Install `xgboost`, or serve the model with ONNX Runtime."
        )
    library = ctypes.CDLL(str(Path(found.origin).parent / "lib" / "libxgboost.so"))
    library.XGBGetLastError.restype = ctypes.c_char_p
    library.XGBoosterFree.argtypes = [ctypes.c_void_p]
    library.XGBoosterPredictFromDense.argtypes = [
        ctypes.c_void_p,
        ctypes.c_char_p,
        ctypes.c_char_p,
        ctypes.c_void_p,
        _POINTER(_POINTER(ctypes.c_uint64)),
        _POINTER(ctypes.c_uint64),
        _POINTER(_POINTER(ctypes.c_float)),
    ]
    return library
