"""Simulated portfolios over a real price panel: what investors of many kinds might have held on random past days.

Every figure of a portfolio is computed from prices up to its day, as if today's mix had been held all along (rebalanced
daily), which is what a portfolio page shows. Stocks are real; debt, gold and cash are simulated (:mod:`.assets`).
Portfolios are drawn to be as different as portfolios are: one stock or fifty, one sector or all, evenly or unevenly
weighted, with and without debt, gold and cash, suited to their owner or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.data.panel import Panel
from components.data.sectors import sectors_of
from components.errors import DataRejected
from components.models.contract import FloatArray
from components.models.portfolio.portfolio_health.assets import SafeAssets, simulate_assets
from components.models.portfolio.portfolio_health.columns import CLASSES, NAMES, SECTORS
from components.models.portfolio.portfolio_health.history import WINDOW, describe_history

PORTFOLIOS = 6000
SEED = 20251113
MOST_SMALL = 120
"""Most additional small holdings of one portfolio; each moves like the panel's average stock."""


@dataclass(frozen=True)
class Snapshots:
    """Portfolios in time order.

    Attributes
    ----------
    features : ndarray of shape (portfolios, 26)
        In the order and the units of ``FEATURES``.
    times : ndarray of datetime64[ns], shape (portfolios,)
        When each was looked at; its figures use closes up to then.
    """

    features: FloatArray
    times: npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Equity:
    """The equity part of one portfolio: weights of the panel's stocks, small holdings beside them, and sectors.

    Attributes
    ----------
    weights : ndarray of shape (securities,)
        Sum to one less ``small_share``.
    small : int
        Number of small holdings of equal weight.
    small_share : float
        Their weight together, decimal.
    """

    weights: FloatArray
    small: int
    small_share: float

    @property
    def holdings(self) -> int:
        """Number of securities."""
        return int((self.weights > 0).sum()) + self.small

    @property
    def herfindahl(self) -> float:
        """Sum of squared weights, decimal."""
        return float((self.weights**2).sum()) + (self.small_share**2 / self.small if self.small else 0.0)


def simulate_portfolios(panel: Panel, portfolios: int = PORTFOLIOS, seed: int = SEED) -> Snapshots:
    """Draw portfolios on random days of a panel.

    Parameters
    ----------
    panel : Panel
        Closes; at least three years and a day of them.
    portfolios : int
        How many.
    seed : int
        Of every draw.

    Raises
    ------
    DataRejected
        If the panel is too short.
    """
    returns = panel.returns
    if len(returns) < WINDOW + 1:
        raise DataRejected(
            f"The panel has {len(returns)} daily returns; a portfolio's figures need {WINDOW} before its day.",
            "Bring a longer history.",
        )
    rng = np.random.default_rng(seed)
    safe = simulate_assets(len(returns), seed)
    sectors = _sector_table(panel.names)
    # Row i of the returns is known at times[i + 1].
    last = np.sort(rng.integers(WINDOW - 1, len(returns), portfolios))
    rows = [_snapshot(rng, returns[i + 1 - WINDOW : i + 1], _cut(safe, i + 1), sectors) for i in last]
    return Snapshots(np.array(rows), panel.times[last + 1])


def _cut(safe: SafeAssets, stop: int) -> SafeAssets:
    part = slice(stop - WINDOW, stop)
    return SafeAssets(safe.debt[part], safe.gold[part], safe.cash[part])


def _sector_table(names: tuple[str, ...]) -> FloatArray:
    """Return which stock is in which sector, shape (securities, sectors), 0 or 1."""
    sectors = sectors_of(names)
    order = sorted(set(sectors.values()))
    return np.array([[float(sectors[name] == sector) for sector in order] for name in names])


def _snapshot(rng: np.random.Generator, stocks: FloatArray, safe: SafeAssets, sectors: FloatArray) -> list[float]:
    investor = _draw_investor(rng)
    shares = _draw_classes(rng, investor)
    equity = _draw_equity(rng, sectors)
    market = stocks.mean(axis=1)
    held = stocks @ equity.weights + equity.small_share * market
    series = np.stack([held, safe.debt, safe.gold, safe.cash], axis=1) @ shares
    figures = describe_history(series, market, safe.cash) | investor | _structure(rng, equity, shares, sectors)
    figures |= {name: 100 * share for name, share in zip(CLASSES, shares.tolist(), strict=True)}
    return [figures[name] for name in NAMES]


def _structure(rng: np.random.Generator, equity: Equity, shares: FloatArray, sectors: FloatArray) -> dict[str, float]:
    """Return value, holdings, sectors and classes."""
    figures = {"total_value": float(10 ** rng.uniform(4.0, 7.7)), "num_asset_classes": float((shares > 0).sum())}
    if shares[0] == 0:
        funds = int(rng.integers(1, 5))
        empty = dict.fromkeys((*SECTORS, "num_sectors"), 0.0)
        return figures | empty | {"num_holdings": float(funds), "herfindahl_index": 1.0 / funds}
    weights = equity.weights @ sectors + equity.small_share / sectors.shape[1]
    top = np.zeros(len(SECTORS))
    ordered = np.sort(weights)[::-1][: len(SECTORS)]
    top[: len(ordered)] = ordered
    return (
        figures
        # Weights that sum to one may sum to a rounding error more.
        | {name: 100 * min(share, 1.0) for name, share in zip(SECTORS, top.tolist(), strict=True)}
        | {
            "num_sectors": float((weights > 0).sum()),
            "num_holdings": float(equity.holdings),
            "herfindahl_index": min(equity.herfindahl, 1.0),
        }
    )


def _draw_investor(rng: np.random.Generator) -> dict[str, float]:
    age = int(rng.integers(20, 76))
    older = (age - 20) / 55
    profile = int(rng.choice(3, p=[0.2 + 0.3 * older, 0.4, 0.4 - 0.3 * older]))
    months = int(np.exp(rng.uniform(np.log(6), np.log(420))))
    return {"age": float(age), "risk_profile": float(profile), "investment_horizon": float(months)}


def _draw_classes(rng: np.random.Generator, investor: dict[str, float]) -> FloatArray:
    """Return shares of equity, debt, gold and cash: around what suits the investor, often far from it."""
    wanted = 0.30 + 0.22 * investor["risk_profile"] + 0.004 * (60 - investor["age"])
    equity = float(np.clip(rng.normal(wanted, 0.25), 0.0, 1.0))
    gold = 0.0 if rng.random() < 0.45 else rng.uniform(0.02, 0.25)
    cash = 0.0 if rng.random() < 0.15 else min(float(rng.exponential(0.08)), 0.6)
    equity = 0.0 if equity < 0.03 else equity
    debt = max(1.0 - equity - gold - cash, 0.0)
    if rng.random() < 0.2 and equity > 0:
        equity, debt = equity + debt, 0.0
    shares = np.array([equity, debt, gold, cash])
    whole: FloatArray = shares / shares.sum()
    return whole


def _draw_equity(rng: np.random.Generator, sectors: FloatArray) -> Equity:
    """Return stocks of some sectors, weighted anywhere from evenly to nearly all in one."""
    chosen = rng.permutation(sectors.shape[1])[: rng.integers(1, sectors.shape[1] + 1)]
    eligible = np.flatnonzero(sectors[:, chosen].sum(axis=1) > 0)
    count = min(int(np.exp(rng.uniform(0.0, np.log(60)))), len(eligible))
    picked = rng.choice(eligible, max(count, 1), replace=False)
    weights = np.zeros(len(sectors))
    # A gamma draw by hand, floored, because a Dirichlet draw of small parameters may be nought over nought.
    drawn = rng.gamma(float(np.exp(rng.uniform(np.log(0.3), np.log(20)))), size=len(picked)) + 1e-4
    small = 0 if rng.random() < 0.6 else int(np.exp(rng.uniform(0.0, np.log(MOST_SMALL))))
    share = float(rng.uniform(0.05, 0.7)) if small else 0.0
    weights[picked] = (1 - share) * drawn / drawn.sum()
    return Equity(weights, small, share)
