"""Hidden states of a market: their Gaussian observations, and the forward filter. Imports numpy only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from components.models.contract import FloatArray


@dataclass(frozen=True)
class HiddenStates:
    """A Gaussian hidden Markov model, states in ascending order of volatility.

    Attributes
    ----------
    means : ndarray of shape (states, observations)
    covariances : ndarray of shape (states, observations, observations)
    transition : ndarray of shape (states, states)
        Row: from; a step is one week.
    """

    means: FloatArray
    covariances: FloatArray
    transition: FloatArray

    @property
    def stationary(self) -> FloatArray:
        """Share of time in each state in the long run, shape (states,)."""
        states = len(self.transition)
        system = np.vstack([self.transition.T - np.eye(states), np.ones(states)])
        share = np.linalg.lstsq(system, np.append(np.zeros(states), 1.0), rcond=None)[0]
        positive: FloatArray = np.maximum(share, 1e-12)
        shares: FloatArray = positive / positive.sum()
        return shares

    def log_density(self, observed: FloatArray) -> FloatArray:
        """Return the log density of observations of shape (..., observations), as (..., states)."""
        precision = np.linalg.inv(self.covariances)
        off = observed[..., None, :] - self.means
        # einsum, not BLAS: a batch's answer equals its rows' answers to the last bit.
        distance = np.einsum("...si,sij,...sj->...s", off, precision, off)
        size = np.linalg.slogdet(self.covariances)[1] + self.means.shape[1] * np.log(2 * np.pi)
        density: FloatArray = -(distance + size) / 2
        return density

    def filter(self, observed: FloatArray) -> FloatArray:
        """Return the probabilities of the states at the last step, given the steps up to it and nothing later.

        Parameters
        ----------
        observed : ndarray of shape (rows, steps, observations)
            Oldest first; the first step starts from the long-run shares.

        Returns
        -------
        ndarray of shape (rows, states)

        Notes
        -----
        The forward recursion in logs: Hamilton (1989), doi:10.2307/1912559, equations of his filter. There is no
        backward pass: smoothed probabilities would use what happened later.
        """
        density = self.log_density(observed)
        move = np.log(np.maximum(self.transition, 1e-300))
        belief = np.log(self.stationary) + density[:, 0]
        for step in range(1, density.shape[1]):
            belief = _log_sum(belief[:, :, None] + move, 1) + density[:, step]
            belief -= belief.max(axis=1, keepdims=True)
        weights: FloatArray = np.exp(belief - _log_sum(belief, 1)[:, None])
        return weights

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {name: getattr(self, name).tolist() for name in ("means", "covariances", "transition")}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Self:
        """Inverse of :meth:`to_dict`."""
        return cls(*(np.array(raw[name]) for name in ("means", "covariances", "transition")))


def _log_sum(values: FloatArray, axis: int) -> FloatArray:
    top = values.max(axis=axis, keepdims=True)
    total: FloatArray = np.log(np.exp(values - top).sum(axis=axis)) + np.squeeze(top, axis)
    return total
