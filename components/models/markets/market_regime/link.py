"""From hidden states and trends to the probabilities of the dated regimes: a multinomial logit that knows how little
independent history there is. Prediction imports numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from components.models.contract import FloatArray
from components.models.markets.market_regime.dating import REGIMES, IntArray

BREADTH = 3.0
"""Standardised inputs are clipped here: beyond what training saw, the logit's straight line means nothing."""


@dataclass(frozen=True)
class RegimeLink:
    """``P(regime) = softmax((intercept + slope x) / temperature)``, x standardised.

    Attributes
    ----------
    centre, scale : ndarray of shape (inputs,)
    slope : ndarray of shape (inputs, 3)
    intercept : ndarray of shape (3,)
    temperature : float
        Above 1: the fit was too sure of itself.
    """

    centre: FloatArray
    scale: FloatArray
    slope: FloatArray
    intercept: FloatArray
    temperature: float = 1.0

    def probabilities(self, inputs: FloatArray) -> FloatArray:
        """Return the probabilities of the regimes, shape (rows, 3)."""
        return softmax(self.scores(inputs) / self.temperature)

    def scores(self, inputs: FloatArray) -> FloatArray:
        """Return the log odds before the temperature, shape (rows, 3)."""
        x = np.clip((inputs - self.centre) / self.scale, -BREADTH, BREADTH)
        made: FloatArray = np.einsum("ij,jk->ik", x, self.slope) + self.intercept
        return made

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        arrays = {name: getattr(self, name).tolist() for name in ("centre", "scale", "slope", "intercept")}
        return arrays | {"temperature": self.temperature}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        arrays = {name: np.array(raw[name]) for name in ("centre", "scale", "slope", "intercept")}
        return cls(**arrays, temperature=float(raw["temperature"]))


def softmax(scores: FloatArray) -> FloatArray:
    """Return shares that sum to one in each row."""
    lifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: FloatArray = lifted / lifted.sum(axis=1, keepdims=True)
    return shares


def fit_link(inputs: FloatArray, regime: IntArray, spells: int, prior: float) -> RegimeLink:
    """Fit the logit with a normal prior.

    Parameters
    ----------
    inputs : ndarray of shape (rows, inputs)
        Of any scale.
    regime : ndarray of int, shape (rows,)
        Index into :data:`~components.models.markets.market_regime.dating.REGIMES`.
    spells : int
        Independent pieces of evidence in the rows: a spell of one regime is one event, however many days it lasts, so
        the rows together weigh as much as ``spells`` observations.
    prior : float
        Standard deviation of the slopes' normal prior. One further observation of each regime stands at the centre, so
        that a regime that training never saw keeps a probability.
    """
    from scipy.optimize import minimize

    centre, scale = inputs.mean(axis=0), np.maximum(inputs.std(axis=0), 1e-9)
    kinds = len(REGIMES)
    x = np.vstack([np.clip((inputs - centre) / scale, -BREADTH, BREADTH), np.zeros((kinds, inputs.shape[1]))])
    y = np.eye(kinds)[np.concatenate([regime, np.arange(kinds)])]
    weight = np.concatenate([np.full(len(regime), spells / len(regime)), np.ones(kinds)])[:, None]
    shape = (x.shape[1] + 1, kinds)
    design = np.column_stack([x, np.ones(len(x))])

    def loss(flat: FloatArray) -> tuple[float, FloatArray]:
        theta = flat.reshape(shape)
        shares = softmax(design @ theta)
        value = -np.sum(weight * y * np.log(np.maximum(shares, 1e-300))) + np.sum(theta[:-1] ** 2) / (2 * prior**2)
        slope = design.T @ (weight * (shares - y))
        slope[:-1] += theta[:-1] / prior**2
        return float(value), slope.ravel()

    theta = minimize(loss, np.zeros(shape).ravel(), jac=True, method="L-BFGS-B").x.reshape(shape)
    return RegimeLink(centre, scale, theta[:-1], theta[-1])


def fit_temperature(scores: FloatArray, regime: IntArray, spells: int, prior: float) -> float:
    """Return the temperature that fits rows which the logit did not learn from.

    Parameters
    ----------
    scores : ndarray of shape (rows, 3)
        :meth:`RegimeLink.scores`.
    regime, spells
        As in :func:`fit_link`.
    prior : float
        Standard deviation of the normal prior on the temperature's logarithm: a year or two of validation holds a few
        spells, and must not make the model sure of itself.

    Notes
    -----
    Guo, Pleiss, Sun and Weinberger (2017), arXiv:1706.04599.
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(regime))

    def loss(log_temperature: float) -> float:
        shares = softmax(scores / np.exp(log_temperature))
        fit = -np.log(np.maximum(shares[rows, regime], 1e-300)).mean() * spells
        return float(fit + log_temperature**2 / (2 * prior**2))

    return float(np.exp(minimize_scalar(loss, bounds=(-1.0, 2.0), method="bounded").x))
