"""What a risk assessment learns from its training rows: a Universe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.data.sectors import sectors_of
from components.finance.drawdown import recovery_times, survival
from components.finance.scenarios import CRISES, crisis_window, through_beta, worst_fall, worst_windows
from components.models.portfolio.risk_assessment.own_history import HISTORY
from components.models.portfolio.risk_assessment.params import Params
from components.models.portfolio.risk_assessment.universe import DEPTHS, MONTHS, Facts, Universe

Array = npt.NDArray[Any]
DRIFT_PRIOR: Final = 0.07 / 252
"""Daily return of a stock market before its own history is looked at, decimal: 7 % a year."""
PRIOR_SPREAD: Final = 0.04 / 252
"""How far markets' means, and what trends add to them, are believed to lie apart, decimal a day: 4 % a year."""
QUARTER: Final = 63
MONTH: Final = 21
INDEX_PRIOR: Final = 250
"""Rows of evidence that the prior about a volatility index weighs: it is half believed, and has no premium."""


def learn(train: Dataset, validation: Dataset, params: Params) -> Universe:
    """Return what is known at the end of the validation rows.

    Residuals, drift, trends and recoveries are the training rows'. The present (volatilities, recent returns) and what
    happened in crises are facts, which the validation rows may add to.
    """
    names = tuple(map(str, train.targets["universe"][0]))
    sectors = tuple(sectors_of(names)[name] for name in names)
    residuals = _daily(train, "state_residuals")[-params.pool :]
    residuals = residuals - residuals.mean(axis=0)
    latest = validation if len(validation) else train
    mu, omega, alpha, gamma, beta = np.moveaxis(latest.targets["state_parameters"][-1], -1, 0)
    del mu
    premium, elasticity = _volatility_index(train, validation)
    facts = Facts(names, sectors, *_market(train), premium, elasticity)
    return Universe(
        facts=facts,
        residuals=residuals[:, :-1].astype(np.float32),
        market=residuals[:, -1].astype(np.float32),
        volatility=latest.targets["state_volatility"][-1].copy(),
        long_run=np.sqrt(omega / (1 - alpha - gamma / 2 - beta)),
        alpha=alpha.copy(),
        gamma=gamma.copy(),
        beta=beta.copy(),
        recent=_daily(latest, "state_returns")[-HISTORY:, :-1].astype(np.float32),
        crises=_crises((train, validation), np.array(sectors)),
        lasting=_lasting(_daily(train, "state_returns"), np.array(sectors)),
    )


def _daily(data: Dataset, name: str) -> Array:
    """Return the daily rows of a state target, one block after the other."""
    blocks = data.targets[name]
    order = np.argsort(data.times, kind="stable")
    return blocks[order].reshape(-1, *blocks.shape[2:])


def _market(train: Dataset) -> tuple[float, float, float, float]:
    """Return the market's expected daily return, what bear and bull markets add to it, and how fast that fades a day.

    Means of returns say little, even over decades (Merton 1980, doi:10.1016/0304-405X(80)90007-0), and less of
    survivors; so each is drawn to its prior by the precision of the two.
    """
    blocks = train.targets["state_returns"][:, :, -1]
    trend = train.inputs["conditions"][:, 1][:-1]
    after = blocks[1:].mean(axis=1)
    drift = shrunk_mean(blocks.mean(axis=1), DRIFT_PRIOR, PRIOR_SPREAD)
    tilts = [shrunk_mean(after[trend == word] - blocks.mean(), 0.0, PRIOR_SPREAD) for word in (-1.0, 1.0)]
    same = float(np.mean(trend[1:] == trend[:-1]))
    return drift, tilts[0], tilts[1], same ** (1 / blocks.shape[1])


def shrunk_mean(values: Array, prior: float, spread: float) -> float:
    """Return the mean of independent values, drawn to a prior mean by the precision of both."""
    if len(values) < 2 or values.std() == 0:
        return prior
    evidence = len(values) / float(values.var())
    belief = 1 / spread**2
    return float((evidence * values.mean() + belief * prior) / (evidence + belief))


def _volatility_index(train: Dataset, validation: Dataset) -> tuple[float, float]:
    """Return a volatility index's premium and elasticity: see :class:`Facts`."""
    parts = list(_index_pairs(train)) + list(_index_pairs(validation))
    above, realised = (np.concatenate([part[i] for part in parts] or [np.zeros(0)]) for i in (0, 1))
    weight = len(above) / (len(above) + INDEX_PRIOR)
    premium = weight * float(above.mean()) if len(above) else 0.0
    x, y = above - premium, realised - (realised.mean() if len(realised) else 0.0)
    spread = float(x @ x)
    slope = float(x @ y) / spread if spread > 0 else 0.5
    return premium, float(np.clip(weight * slope + (1 - weight) * 0.5, 0, 1))


def _index_pairs(data: Dataset) -> Iterator[tuple[Array, Array]]:
    """Yield the logs of index and realised volatility, less that of the market's forecast, of rows with an index."""
    steps = MONTH // data.targets["state_returns"].shape[1]
    if len(data) <= steps:
        return
    index = data.inputs["conditions"][:-steps, 0]
    own = data.targets["state_volatility"][:-steps, -1] * np.sqrt(252)
    squared = (data.targets["state_returns"][:, :, -1] ** 2).mean(axis=1)
    month = np.stack([squared[i + 1 : len(squared) - steps + i + 1] for i in range(steps)]).mean(axis=0)
    known = index > 0
    yield np.log(index[known] / 100 / own[known]), np.log(np.sqrt(252 * month[known]) / own[known])


def _crises(parts: tuple[Dataset, ...], sectors: Array) -> Array:
    """Return each security's return through every crisis, and through the worst quarter of its sector."""
    stacked = [(_daily(p, "state_days"), _daily(p, "state_returns")) for p in parts if len(p)]
    beta = _betas(stacked[0][1])
    rows = [_crisis(stacked, beta, bounds) for bounds in CRISES.values()]
    worst = np.min([_sector_crash(returns, sectors) for _, returns in stacked], axis=0)
    return np.stack([*rows, worst])


def _crisis(stacked: list[tuple[Array, Array]], beta: Array, bounds: tuple[str, str]) -> Array:
    for days, returns in stacked:
        times = days.astype("datetime64[D]")
        level = np.cumprod(1 + returns[:, -1])
        window = crisis_window(times, level, bounds)
        if window is not None:
            first, last = window
            replayed: Array = np.prod(1 + returns[first + 1 : last + 1, :-1], axis=0) - 1
            return replayed
    return through_beta(beta, _index_fall(bounds))


def _index_fall(bounds: tuple[str, str]) -> float:
    """Return what the S&P 500 lost from peak to trough within the bounds, decimal: for data that do not reach there."""
    from components.data.shipped import read_shipped

    level = read_shipped("skfolio", "datasets/data/sp500_index.csv.gz").iloc[:, 0].loc[bounds[0] : bounds[1]].to_numpy()
    peak, trough = worst_fall(level)
    return float(level[trough] / level[peak] - 1)


def _betas(returns: Array) -> Array:
    centred = returns - returns.mean(axis=0)
    market = centred[:, -1]
    found: Array = market @ centred[:, :-1] / (market @ market)
    return found


def _sector_crash(returns: Array, sectors: Array) -> Array:
    """Return what each security did in the worst quarter of its sector; a part too short for one has none."""
    crashed = np.zeros(len(sectors))
    if len(returns) <= QUARTER:
        return crashed
    for sector in np.unique(sectors):
        own = returns[:, :-1][:, sectors == sector]
        _, start = worst_windows(own.mean(axis=1, keepdims=True), QUARTER)
        crashed[sectors == sector] = np.prod(1 + own[start[0] : start[0] + QUARTER], axis=0) - 1
    return crashed


def _lasting(returns: Array, sectors: Array) -> Array:
    """Return how many drawdowns of each depth last longer than each month: of the market, sectors and securities."""
    groups = [returns[:, -1:], returns[:, :-1]]
    groups += [returns[:, :-1][:, sectors == s].mean(axis=1, keepdims=True) for s in np.unique(sectors)]
    levels = np.cumprod(1 + np.concatenate(groups, axis=1), axis=0)
    at = MONTH * np.arange(MONTHS + 1.0)
    table = np.ones((len(DEPTHS), MONTHS + 1))
    for i, depth in enumerate(DEPTHS):
        found = [recovery_times(level, depth) for level in levels.T]
        durations, observed = (np.concatenate([f[k] for f in found]) for k in (0, 1))
        table[i] = survival(durations, observed, at)
    # Deeper losses last longer, also where few of them were seen.
    return np.maximum.accumulate(table, axis=0)
