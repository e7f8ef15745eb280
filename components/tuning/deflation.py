"""How much of the best trial's gain is luck: the expected best of many trials that are all no better than the default.

Bailey and López de Prado (2014), "The Deflated Sharpe Ratio", doi:10.3905/jpm.2014.40.5.094, give the expected maximum
of N independent normal estimates with mean zero and deviation s as ::

    s * ((1 - g) * z(1 - 1/N) + g * z(1 - 1/(N e))),    g = 0.5772..., z the standard normal quantile

Here an estimate is a trial's gain, the default's loss minus the trial's, averaged over B blocks of time. Both are
scored on the same blocks, so what is hard or easy for every model cancels. ``s`` is the standard error of such a mean:
the deviation of a trial's gains over the blocks over the root of B, as the median over trials, so that a few absurd
parameter sets do not decide it. N counts every scored trial but the default. Trials of one search resemble each other,
so there are fewer than N independent ones: the deduction is rather too large than too small.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

EULER_MASCHERONI = 0.5772156649015329


@dataclass(frozen=True)
class Deflation:
    """What is left of the best gain when luck is taken off.

    Attributes
    ----------
    trials : int
        Trials that were scored, the default not counted.
    gain : float
        The default's loss minus the best trial's; negative when no trial beat the default.
    expected_gain : float
        What the best of as many trials without skill would show.
    score : float
        The best loss plus ``expected_gain``: the deflated score.
    survives : bool
        Whether the gain exceeds ``expected_gain``.
    """

    trials: int
    gain: float
    expected_gain: float
    score: float
    survives: bool

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)


def expected_maximum(trials: int) -> float:
    """Return the expected maximum of ``trials`` standard normal draws; 0 for one.

    Raises
    ------
    ValueError
        If there is no trial.

    Examples
    --------
    >>> round(expected_maximum(100), 2)
    2.53
    """
    if trials < 1:
        raise ValueError(f"the expected maximum of {trials} trials is not defined")
    if trials == 1:
        return 0.0
    quantile = NormalDist().inv_cdf
    g = EULER_MASCHERONI
    return (1 - g) * quantile(1 - 1 / trials) + g * quantile(1 - 1 / (trials * math.e))


def deflate(default: Sequence[float], trials: Sequence[Sequence[float]]) -> Deflation:
    """Deflate the best of several trials.

    Parameters
    ----------
    default : sequence of float
        The default's loss by block.
    trials : sequence of sequences of float
        Every scored trial's loss on the same blocks.

    Raises
    ------
    ValueError
        If there is no trial, fewer than two blocks, or the blocks do not match.
    """
    reference = np.asarray(default, dtype=np.float64)
    losses: npt.NDArray[np.float64] = np.asarray(trials, dtype=np.float64)
    if losses.ndim != 2 or losses.shape[1] != len(reference) or len(reference) < 2:
        raise ValueError(f"trials of shape {losses.shape} do not match a default of {len(reference)} blocks")
    gains = reference - losses
    error = float(np.median(gains.std(axis=1, ddof=1))) / math.sqrt(len(reference))
    best = float(gains.mean(axis=1).max())
    luck = error * expected_maximum(len(losses))
    return Deflation(len(losses), best, luck, float(reference.mean()) - best + luck, best > luck)
