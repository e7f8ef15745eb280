"""The dataset of position sizing: questions asked every month, and how security and book moved in the month after."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.data.panel import Panel, build_panel
from components.errors import DataRejected
from components.models.contract import FloatArray
from components.models.portfolio.position_sizing.accounts import MOST_HOLDINGS, Account, draw_account
from components.models.portfolio.position_sizing.conditions import (
    DAYS_PER_YEAR,
    DECAY,
    LONG,
    Conditions,
    observe,
)
from components.models.portfolio.position_sizing.schemas import ACCOUNT

if TYPE_CHECKING:
    import pandas as pd

HORIZON: Final = 21
"""Days that a position is held, and days between two questions: outcomes do not overlap."""

MEMORY: Final = 250
"""Days of a book's past that its volatility at the time is taken from."""

SEED: Final = 7
Row = tuple[int, int, Account]


def build_dataset(features: pd.DataFrame, bars: pd.DataFrame, horizons: tuple[str, ...]) -> Dataset:
    """Return one row per security and month; see :func:`build_rows`. The features are not used."""
    return build_rows(build_panel(bars))


def build_rows(panel: Panel, vix: FloatArray | None = None, seed: int = SEED) -> Dataset:
    """Ask every 21 days, for every security, with a simulated account.

    Parameters
    ----------
    panel : Panel
        Adjusted closes.
    vix : ndarray of shape (times,) or None
        See :func:`~components.models.portfolio.position_sizing.conditions.observe`.
    seed : int
        Of the accounts.

    Returns
    -------
    Dataset
        Inputs as the model's schema; targets ``realised_volatility`` (rows, 1; of the security, annualised decimal),
        ``symbol_returns`` and ``book_returns`` (rows, 21; simple daily returns of the security, and of what the other
        holdings earned as a share of the portfolio). A row's outcome is known 21 days later.

    Raises
    ------
    DataRejected
        If the panel is shorter than the warm-up and one month, or has one security only.
    """
    origins = np.arange(LONG + HORIZON, len(panel.times) - HORIZON, HORIZON)
    if len(panel.names) < 2 or not len(origins):
        raise DataRejected(
            f"{len(panel.names)} securities at {len(panel.times)} times are too few to size positions.",
            f"Give at least 2 securities with more than {LONG + 2 * HORIZON} common days.",
        )
    generator = np.random.default_rng(seed)
    asked = [(int(t), s) for t in origins for s in range(len(panel.names))]
    rows = [(t, s, draw_account(generator, len(panel.names), s)) for t, s in asked]
    known, moves = observe(panel, vix), panel.returns
    return Dataset(
        inputs=_inputs(panel, known, rows),
        targets=_targets(moves, rows),
        times=panel.times[[t for t, _, _ in rows]],
        label_times=panel.times[[t + HORIZON for t, _, _ in rows]],
        entities=np.array([panel.names[s] for _, s, _ in rows], dtype=object),
    )


def _inputs(panel: Panel, known: Conditions, rows: list[Row]) -> dict[str, npt.NDArray[Any]]:
    names = np.full((len(rows), MOST_HOLDINGS), "", dtype=object)
    weight, volatility = np.zeros(names.shape), np.zeros(names.shape)
    account = np.zeros((len(rows), len(ACCOUNT)))
    for i, (t, s, own) in enumerate(rows):
        count = len(own.held)
        names[i, :count] = [panel.names[h] for h in own.held]
        weight[i, :count], volatility[i, :count] = own.weight, known.volatility[t, own.held]
        target = np.hypot(book_volatility(panel.returns, t, own), own.added_risk)
        state = (known.vix[t], known.trend[t], known.rotation[t, s], target, known.volatility[t, s])
        account[i] = (own.value, own.cash, count, *state)
    symbol = np.array([panel.names[s] for _, s, _ in rows], dtype=object)
    return {
        "account": account,
        "symbol": symbol,
        "security_id": names,
        "weight": weight,
        "holding_volatility": volatility,
    }


def book_volatility(returns: FloatArray, at: int, account: Account) -> float:
    """Return the RiskMetrics volatility of an account's other holdings, annualised share of the portfolio.

    Parameters
    ----------
    returns : ndarray of shape (times - 1, securities)
        Simple; row ``i`` is known at time ``i + 1``.
    at : int
        Time; nothing later is used.
    account : Account
        Its weights are kept for the past.
    """
    past = returns[max(0, at - MEMORY) : at, account.held] @ account.weight
    share = DECAY ** np.arange(len(past) - 1, -1, -1)
    return float(np.sqrt(DAYS_PER_YEAR * (share @ past**2) / share.sum()))


def _targets(returns: FloatArray, rows: list[Row]) -> dict[str, npt.NDArray[Any]]:
    # returns[t] is what the close of time t + 1 brings: the first return after the question.
    symbol = np.stack([returns[t : t + HORIZON, s] for t, s, _ in rows])
    book = np.stack([returns[t : t + HORIZON, own.held] @ own.weight for t, _, own in rows])
    return {"realised_volatility": realised(symbol)[:, None], "symbol_returns": symbol, "book_returns": book}


def realised(returns: FloatArray) -> FloatArray:
    """Return annualised realised volatilities of rows of daily returns (around zero, which a month's mean is near)."""
    volatility: FloatArray = np.sqrt(DAYS_PER_YEAR * (returns**2).mean(axis=-1))
    return volatility
