"""Dataset of the portfolio optimiser: every month, portfolios to optimise and what their securities did next."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from components.data.dataset import Dataset
from components.data.panel import Panel, build_panel
from components.data.sectors import sectors_of
from components.errors import DataRejected
from components.models.portfolio.portfolio_optimizer.outcome import drifted
from components.models.portfolio.portfolio_optimizer.params import MAX_SECTORS, MAX_SECURITIES, METHODS, MONTH, WINDOW

FREE, LIMITED = "min_variance", "limited"
"""Entities: all securities by the default method without limits, and random portfolios under random limits."""
SEED = 7
NO_LIMITS = (0.0, 1.0, 10.0, 5.0, 1e6)
"""Constraints of a request that limits nothing: 10 basis points, a risk aversion of 5, a million to invest."""

Rows = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class _Asked:
    """What is asked of one portfolio beside its returns."""

    chosen: npt.NDArray[np.int64]
    method: str = METHODS[0]
    max_weight: float = 1.0
    constraints: tuple[float, ...] = NO_LIMITS
    sector: str = ""
    sector_limit: float = 0.0
    view: tuple[int, float, float] | None = None


def build_dataset(features: pd.DataFrame, bars: pd.DataFrame, horizons: tuple[str, ...]) -> Dataset:
    """Return two rows per month: the default question about every security, and one under random limits.

    ``history`` are the 252 daily returns known then, so that whoever answers estimates from what was known; the target
    are the next 21. ``current_weight`` is 1/N as it has drifted over the month before.

    Raises
    ------
    DataRejected
        If the bars hold fewer securities or days than one question needs.
    """
    panel = build_panel(bars)
    returns, size = panel.returns, len(panel.names)
    if size < 4 or len(returns) < WINDOW + 2 * MONTH:
        raise DataRejected(
            f"{size} securities with {len(returns)} common daily returns.",
            f"Give at least 4 securities with {WINDOW + 2 * MONTH}: a year to estimate from, and a month to judge by.",
        )
    generator = np.random.default_rng(SEED)
    starts = range(WINDOW, len(returns) - MONTH + 1, MONTH)
    everything = np.arange(min(size, MAX_SECURITIES))
    rows = [
        _row(panel, returns, start, asked, everything)
        for start in starts
        for asked in (_Asked(everything), _random(panel, generator, everything))
    ]
    inputs = {name: np.stack([row[name] for row in rows]) for name in rows[0] if name != "next_returns"}
    known = panel.times[list(starts)]
    due = panel.times[[start + MONTH for start in starts]]
    return Dataset(
        inputs=inputs,
        targets={"next_returns": np.array([row["next_returns"] for row in rows])},
        times=np.repeat(known, 2),
        label_times=np.repeat(due, 2),
        entities=np.array([FREE, LIMITED] * len(starts), dtype=object),
    )


def _random(panel: Panel, generator: np.random.Generator, everything: npt.NDArray[np.int64]) -> _Asked:
    """Draw a portfolio, a method and limits that some portfolio meets."""
    size = int(generator.integers(max(4, len(everything) // 2), len(everything) + 1))
    chosen = np.sort(generator.choice(everything, size, replace=False))
    sectors = sectors_of([panel.names[i] for i in everything])
    names, counts = np.unique([sectors[panel.names[i]] for i in chosen], return_counts=True)
    largest = int(counts.argmax())
    method = METHODS[int(generator.integers(len(METHODS)))]
    max_weight = float(generator.uniform(2.5, 4) / size)
    outside = (size - counts[largest]) * max_weight
    sector_limit = float(max(generator.uniform(0.3, 0.6), 1.05 * (1 - outside)))
    most = float(np.ceil(generator.uniform(0.6, 1) * size)) if generator.random() < 0.5 else 0.0
    limits = (most, float(generator.uniform(0.6, 1)), float(generator.uniform(5, 30)), float(generator.uniform(2, 8)))
    view = (int(generator.integers(size)), float(generator.normal(0.06, 0.05)), float(generator.uniform(0.1, 0.6)))
    return _Asked(
        chosen=chosen,
        method=method,
        max_weight=min(max_weight, 1.0),
        constraints=(*limits, 1e6),
        sector=str(names[largest]),
        sector_limit=min(sector_limit, 1.0),
        view=view if method == "black_litterman" else None,
    )


def _row(
    panel: Panel, returns: npt.NDArray[np.float64], start: int, asked: _Asked, everything: npt.NDArray[np.int64]
) -> Rows:
    """Lay one question out, padded to the width of all securities; returns before ``start`` are known."""
    width, used = len(everything), len(asked.chosen)
    each = {name: np.zeros(width) for name in ("current_weight", "min_weight", "max_weight", "view", "view_confidence")}
    names = np.array([panel.names[i] for i in asked.chosen] + [""] * (width - used), dtype=object)
    before = returns[start - MONTH : start][:, asked.chosen]
    each["current_weight"][:used] = drifted(np.full(used, 1 / used), before)
    each["max_weight"][:used] = asked.max_weight
    if asked.view is not None:
        place, expected, confidence = asked.view
        each["view"][place], each["view_confidence"][place] = expected, confidence
    sectors = list(itertools.islice(itertools.chain([asked.sector], itertools.repeat("")), MAX_SECTORS))
    return {
        "security_id": names,
        **each,
        "method": np.array(asked.method, dtype=object),
        "constraints": np.array(asked.constraints),
        "sector_name": np.array(sectors, dtype=object),
        "sector_limit": np.array([asked.sector_limit] + [0.0] * (MAX_SECTORS - 1)),
        "history": _padded(returns[start - WINDOW : start][:, asked.chosen], width),
        "next_returns": _padded(returns[start : start + MONTH][:, asked.chosen], width),
    }


def _padded(values: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
    return np.pad(values, ((0, 0), (0, width - values.shape[1])))
