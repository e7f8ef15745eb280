"""Learn the hidden states: expectation maximisation from several seeded starts."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from components.errors import DataRejected
from components.models.contract import FloatArray
from components.models.markets.market_regime.hidden import HiddenStates

MIN_WEEKS = 100
SHRINK = 25.0
"""Pseudo-count of each state's covariance: without it a state may collapse onto a handful of weeks."""


def learn_states(
    sequences: Sequence[FloatArray], states: int, starts: int, stickiness: float, seed: int
) -> HiddenStates:
    """Fit a Gaussian hidden Markov model; the start of the highest posterior is kept.

    Parameters
    ----------
    sequences : sequence of ndarray of shape (weeks, observations)
        Each in time order.
    states : int
        How many hidden states.
    starts : int
        Restarts of the maximisation, which finds local maxima only.
    stickiness : float
        Pseudo-count of staying in a state (a Dirichlet prior): without it, states flicker with the sign of one week's
        return instead of lasting.
    seed : int
        Of the first start.

    Raises
    ------
    DataRejected
        If there are too few weeks.
    """
    from hmmlearn.hmm import GaussianHMM  # type: ignore[import-untyped]

    weeks = sum(map(len, sequences))
    if weeks < MIN_WEEKS:
        raise DataRejected(
            f"{weeks} weeks are too few to learn {states} hidden states.",
            f"Bring at least {MIN_WEEKS} weeks of training rows.",
        )
    together, lengths = np.concatenate(sequences), [len(s) for s in sequences]
    best, highest = None, -np.inf
    for start in range(starts):
        model = GaussianHMM(
            states,
            "full",
            n_iter=100,
            tol=1e-2,
            random_state=seed + start,
            transmat_prior=1 + stickiness * np.eye(states),
            covars_prior=SHRINK * np.cov(together.T) / 2,
            covars_weight=SHRINK + together.shape[1],
        )
        with _quiet():
            model.fit(together, lengths)
        stays = np.log(np.maximum(np.diag(model.transmat_), 1e-300)).sum()
        posterior = float(model.score(together, lengths)) + stickiness * float(stays)
        if posterior > highest:
            best, highest = model, posterior
    if best is None:
        raise DataRejected(f"{starts} starts were asked for.", "Ask for at least one.")
    return _in_order(best.means_, best.covars_, best.transmat_)


def _in_order(means: FloatArray, covariances: FloatArray, transition: FloatArray) -> HiddenStates:
    """Sort by volatility, so that the number of a state means the same in every fit."""
    order = np.argsort(means[:, 1])
    return HiddenStates(means[order], covariances[order], transition[np.ix_(order, order)])


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back hmmlearn's remark that the likelihood fell: with a prior, EM raises the posterior instead."""
    logger = logging.getLogger("hmmlearn.base")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
