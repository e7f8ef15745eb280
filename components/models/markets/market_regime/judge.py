"""How the market regime is judged: log loss of the dated regime, and what a filtered regime is good for."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.evaluation.judge import Figure, Judge, Judged
from components.evaluation.plots.regime_chart import regime_chart
from components.models.contract import FloatArray, Outputs
from components.models.markets.market_regime.claims import claims
from components.models.markets.market_regime.course import count_transitions
from components.models.markets.market_regime.dating import BEAR, QUARTER, REGIMES
from components.models.markets.market_regime.observations import USED

FLOOR: Final = 1e-4
"""Smallest probability that is scored: the loss of a wrong certainty is bounded."""


def log_loss(outputs: Outputs, data: Dataset) -> FloatArray:
    """Return minus the log probability of the regime that the day was in, shape (rows,)."""
    chance = (outputs["probabilities"] * data.targets["regime"]).sum(axis=1)
    loss: FloatArray = -np.log(np.maximum(chance, FLOOR))
    return loss


def moving_average(history: Dataset, test: Dataset) -> Outputs:
    """The 200-day rule: how often each regime came while the close was above its mean, and while it was below."""
    above, now = _above(history), _above(test)
    shares = np.stack([_frequencies(history.targets["regime"][above == side]) for side in (False, True)])
    return {"probabilities": shares[now.astype(int)]}


def unconditional(history: Dataset, test: Dataset) -> Outputs:
    """How often each regime came."""
    return {"probabilities": np.tile(_frequencies(history.targets["regime"]), (len(test), 1))}


def last_state(history: Dataset, test: Dataset) -> Outputs:
    """The last regime that was certain, carried forward by the regimes' own transition matrix."""
    regime = history.targets["regime"].argmax(axis=1)
    transition = count_transitions(regime, history.entities)
    out = np.zeros((len(test), len(REGIMES)))
    for entity in np.unique(test.entities.astype(str)):
        own, asked = history.entities.astype(str) == entity, test.entities.astype(str) == entity
        start = _frequencies(history.targets["regime"]) if not own.any() else np.eye(len(REGIMES))[regime[own][-1]]
        since = history.times[own][-1] if own.any() else history.times[-1]
        days = np.busday_count(since.astype("datetime64[D]"), test.times[asked].astype("datetime64[D]"))
        out[asked] = [start @ np.linalg.matrix_power(transition, int(max(n, 0))) for n in days]
    return {"probabilities": out}


def figures(judged: Judged) -> list[Figure]:
    """Return one regime-shaded chart per entity, at most four."""
    names = np.unique(judged.data.entities.astype(str))[:4]
    return [Figure(f"Regimes of {name}", _chart(judged, name)) for name in names]


def _chart(judged: Judged, name: str) -> str:
    own = judged.data.entities.astype(str) == name
    return regime_chart(
        times=judged.data.times[own],
        close=judged.data.inputs["features"][own, USED.index("close")],
        called=judged.outputs["probabilities"][own].argmax(axis=1),
        dated=judged.data.targets["regime"][own].argmax(axis=1),
        bear=judged.outputs["probabilities"][own, BEAR],
        names=REGIMES,
        entity=name,
    )


def _above(data: Dataset) -> npt.NDArray[np.bool_]:
    features = data.inputs["features"]
    above: npt.NDArray[np.bool_] = features[:, USED.index("close")] > features[:, USED.index("sma_200")]
    return above


def _frequencies(regime: FloatArray) -> FloatArray:
    """Return shares with one further day of each regime, so that none is impossible."""
    counts = regime.sum(axis=0) + 1
    shares: FloatArray = counts / counts.sum()
    return shares


JUDGE = Judge(
    name="log loss of the ex-post regime",
    loss=log_loss,
    baselines={"moving_average_200": moving_average, "unconditional": unconditional, "last_state": last_state},
    claims=claims,
    figures=figures,
    overlap=QUARTER,
    unit="nats",
)
