"""The dataset of auto-invest: simulated users who ask on real days, and the days that followed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.data.panel import Panel, build_panel
from components.data.sectors import sectors_of
from components.errors import DataRejected
from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.schemas import GIVEN, LIMITS
from components.models.portfolio.auto_invest.signals import LOOKBACK, TRAITS, History
from components.models.portfolio.auto_invest.users import User, draw_weights

if TYPE_CHECKING:
    import pandas as pd

AHEAD: Final = 21
"""Trading days of an outcome: a month."""

SPARSE, DENSE, ENOUGH = 21, 5, 150
"""Days between the times of a long history and of a short one, and the times that make a history long."""

PROFILES: Final = ("index_investor", "saver", "collector")
"""Users at every time: equal shares a month ago and no limits; random limits and holdings over all securities; the same
over a third of them."""

SEED: Final = 7


def build_dataset(features: pd.DataFrame, bars: pd.DataFrame, horizons: tuple[str, ...]) -> Dataset:
    """Return one row for each time and profile of :data:`PROFILES`.

    Parameters
    ----------
    features : DataFrame
        Not used: everything follows from closes.
    bars : DataFrame
        Daily bars of at least two securities.
    horizons : tuple of str
        The spec's.

    Returns
    -------
    Dataset
        Inputs as the model's schema; rows of fewer securities end with empty names and zeros. Targets ``daily_return``
        (rows, 21, securities), the simple returns of the days that follow, and ``day`` (rows, 21), their dates in days
        since 1970.

    Raises
    ------
    DataRejected
        If the panel is shorter than a year and two months, or has one security.
    """
    panel = build_panel(bars)
    days = len(panel.times)
    if days < LOOKBACK + 2 * AHEAD or len(panel.names) < 2:
        raise DataRejected(
            f"The panel has {days} days of {len(panel.names)} securities.",
            f"Give at least {LOOKBACK + 2 * AHEAD} days of two securities or more.",
        )
    sectors = sectors_of(panel.names)
    history = History(panel.close, panel.names, tuple(sectors[name] for name in panel.names))
    span = days - LOOKBACK - AHEAD
    chosen = np.arange(LOOKBACK, days - AHEAD, SPARSE if span // SPARSE >= ENOUGH else DENSE)
    generator = np.random.default_rng(SEED)
    rows = [row for day in chosen for row in _rows(history, int(day), generator)]
    inputs = {name: np.array([row[0][name] for row in rows]) for name in rows[0][0]}
    each = np.repeat(chosen, len(PROFILES))
    return Dataset(
        inputs={name: _typed(name, values) for name, values in inputs.items()},
        targets={"daily_return": np.array([row[1] for row in rows]), "day": _days_after(panel, each)},
        times=panel.times[each],
        label_times=panel.times[each + AHEAD],
        entities=np.array(list(PROFILES) * len(chosen), dtype=object),
    )


def recover(data: Dataset) -> History:
    """Put the days that follow a dataset's rows together again: closes from 1, of all securities.

    Days that lie between two parts of a split are missing, as if the exchange had been closed.
    """
    whole = np.flatnonzero((data.inputs["security_id"] != "").all(axis=1) & (data.entities == PROFILES[0]))
    names = tuple(str(name) for name in data.inputs["security_id"][whole[0]])
    days = data.targets["day"][whole].reshape(-1)
    _, first = np.unique(days, return_index=True)
    returns = data.targets["daily_return"][whole].reshape(-1, len(names))[first]
    close = np.concatenate([np.ones((1, len(names))), np.cumprod(1 + returns, axis=0)])
    sectors = sectors_of(names)
    return History(close, names, tuple(sectors[name] for name in names))


def _rows(history: History, day: int, generator: np.random.Generator) -> Iterator[tuple[dict[str, Any], FloatArray]]:
    count = len(history.names)
    every = np.arange(count)
    some = np.sort(generator.choice(count, max(2, count // 3), replace=False))
    grown = history.close[day] / history.close[day - AHEAD]
    yield _row(history, day, every, User.unlimited(count), grown / grown.sum(), 1e6)
    for members in (every, some):
        user = User.draw(generator, len(members))
        value = float(np.exp(generator.normal(np.log(5e5), 1.0)))
        yield _row(history, day, members, user, draw_weights(generator, len(members)), value)


def _row(
    history: History, day: int, members: npt.NDArray[np.int64], user: User, weights: FloatArray, value: float
) -> tuple[dict[str, Any], FloatArray]:
    """Return a row's inputs and the returns that follow it, both padded to all securities."""
    count, width = len(history.names), len(members)
    bought = history.close[day - LOOKBACK, members] / history.close[day, members]
    limited = sorted({history.sectors[i] for i in members})[:LIMITS] if user.sector_share < 1 else []
    strategy = [
        value,
        value * max(0.0, 1 - float(weights.sum())),
        value * float(weights @ (1 - bought)),
        user.risk_tolerance,
        user.max_position,
        float(user.max_positions),
        value * user.new_money if weights.any() else value * max(user.new_money, 0.01),
    ]
    traits = history.traits[day - LOOKBACK, members]
    ahead = history.returns[day : day + AHEAD, members]
    pad = count - width
    inputs: dict[str, Any] = {
        "strategy": strategy,
        "market": history.market[day - LOOKBACK],
        "market_given": [True] * len(GIVEN),
        "limit_sector": limited + [""] * (LIMITS - len(limited)),
        "limit_share": [user.sector_share] * len(limited) + [1.0] * (LIMITS - len(limited)),
        "security_id": [history.names[i] for i in members] + [""] * pad,
        "current_allocation": np.pad(weights, (0, pad)),
    }
    inputs |= {trait: np.pad(traits[:, i], (0, pad)) for i, trait in enumerate(TRAITS)}
    return inputs, np.pad(ahead, ((0, 0), (0, pad)))


def _days_after(panel: Panel, each: npt.NDArray[np.int64]) -> FloatArray:
    dates = panel.times.astype("datetime64[D]").astype(np.int64).astype(np.float64)
    made: FloatArray = dates[each[:, None] + np.arange(1, AHEAD + 1)]
    return made


def _typed(name: str, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    if name in ("limit_sector", "security_id"):
        return values.astype(object)
    return values if name == "market_given" else values.astype(np.float64)
