"""QLIKE: the loss of variance forecasts that noise in the realised proxy does not bias."""

from __future__ import annotations

import numpy as np

from components.models.contract import FloatArray


def qlike(realised: FloatArray, forecast: FloatArray) -> FloatArray:
    """Return ``realised / forecast - log(realised / forecast) - 1``, element by element; 0 when they agree.

    Parameters
    ----------
    realised, forecast : ndarray
        Variances of the same unit, positive.

    Notes
    -----
    Patton (2011), doi:10.1016/j.jeconom.2010.03.034: with an unbiased proxy it ranks forecasts as the true variance
    would.
    """
    ratio = realised / forecast
    loss: FloatArray = ratio - np.log(ratio) - 1
    return loss
