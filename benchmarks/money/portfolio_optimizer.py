"""The portfolio optimiser on NSE and US stocks: monthly rebalancing against 1/N, by every method."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.money.page import Bar, Page
from components.data.dataset import Dataset
from components.data.panel import build_panel
from components.data.sources import load_bars
from components.evaluation import bootstrap
from components.finance.covariance import shrink
from components.models.portfolio.portfolio_optimizer.constraints import Constraints
from components.models.portfolio.portfolio_optimizer.data import FREE, build_dataset
from components.models.portfolio.portfolio_optimizer.estimate import estimate
from components.models.portfolio.portfolio_optimizer.frontier import efficient_frontier
from components.models.portfolio.portfolio_optimizer.judge import (
    SAMPLES,
    SEED,
    broken,
    daily,
    equal_weights,
    inverse_volatility,
    turnovers,
    volatility_ratio,
)
from components.models.portfolio.portfolio_optimizer.model import COLUMNS, NO_UNIVERSE, Optimiser
from components.models.portfolio.portfolio_optimizer.outcome import held_returns
from components.models.portfolio.portfolio_optimizer.params import METHODS, MONTH, YEAR
from components.models.portfolio.portfolio_optimizer.quadratic import Program
from components.models.portfolio.portfolio_optimizer.question import read_question

PANELS = {
    "US 2015-2020": "market/us_sp500_daily_2015_2020.parquet",
    "NSE 2021-2025": "market/nse_daily_adjusted_2020_2026.parquet",
}
WANTED = -0.20
COST = 10e-4
"""Of each unit bought or sold."""
VIEW_CONFIDENCE = 0.1
"""How much Black-Litterman believes that each security goes on as in the past year."""
WINDOWS = (252, 504)
TIMED, TIMES = 50, 30
"""Securities of a timed portfolio, and how often it is asked for."""


def run(data: Path) -> Page:
    """Evaluate every method month by month on both panels, then time one answer."""
    page = Page("portfolio_optimizer", "Portfolio optimiser", seeds=[SEED])
    page.files = [data / path for path in PANELS.values()]
    page.text(_METHOD)
    timed: Dataset | None = None
    for panel, path in PANELS.items():
        rows = build_dataset(None, load_bars(str(data / path), without_volume="zero"), ())  # type: ignore[arg-type]
        free = rows.take(rows.entities == FREE)
        _backtest(page, panel, free)
        _limits(page, panel, rows)
        timed = timed or free
    assert timed is not None
    _speed(page, timed)
    page.text(_MEANING)
    _choices(page, data)
    return page


_METHOD = """
Every 21 trading days the optimiser sees the past 252 daily returns and nothing else, chooses weights, and holds them
for the next 21. Nothing in the model is random: the seed is the bootstrap's. Nothing is fitted to these files, but the
window and the shrinkage target were fixed with the last table of this page in view, so these are no untouched data. The
1/N portfolio is rebalanced on the same days. Net figures subtract 10 basis points of every unit bought or sold, from
1/N's too. Intervals are circular block bootstraps with blocks of a month, 1,000 resamples; the p-value of the Sharpe
difference is Ledoit and Wolf's (2008). Black-Litterman starts from the weights held (1/N) and views each security's
past year with a confidence of 10 %; it takes the risk that its views ask for: its volatility says what such views cost.
"""

_MEANING = """
The bar is on volatility, which is what minimum variance promises. Both panels consist of companies that were large at
their end, so every mean return here is flattered alike, 1/N's most; a Sharpe difference over four years has an interval
wider than any plausible effect and is shown so that nobody has to ask.
"""


def _asked(method: str, data: Dataset) -> dict[str, Any]:
    """Return the questions with another method, and with views where the method has them."""
    inputs = dict(data.inputs)
    inputs["method"] = np.array([method] * len(data), dtype=object)
    if method == "black_litterman":
        held = data.inputs["security_id"] != ""
        inputs["view"] = np.where(held, np.clip(data.inputs["history"].mean(axis=1) * YEAR, -1, 1), 0.0)
        inputs["view_confidence"] = np.where(held, VIEW_CONFIDENCE, 0.0)
    return inputs


def _net(weights: Any, data: Dataset) -> Any:
    """Return daily returns after cost: each month's first day pays for its trades."""
    returns = daily(weights, data).reshape(len(data), MONTH).copy()
    returns[1:, 0] -= 2 * COST * turnovers(weights, data)
    return returns.reshape(-1)


def _drawdown(returns: Any) -> float:
    value = np.concatenate([[1.0], np.cumprod(1 + returns)])
    return float((value / np.maximum.accumulate(value) - 1).min())


def _backtest(page: Page, panel: str, data: Dataset) -> None:
    securities = int((data.inputs["security_id"][0] != "").sum())
    page.text(f"## {panel}: {securities} securities, {len(data)} months, from {str(data.times[0])[:10]}")
    equal = equal_weights(data, data)["weight"]
    chosen: Mapping[str, Any] = {
        "1/N": equal,
        "inverse volatility": inverse_volatility(data, data)["weight"],
        **{method: Optimiser().answer(_asked(method, data))["weight"] for method in METHODS},
    }
    base, rows = _net(equal, data), []
    for name, weights in chosen.items():
        returns = _net(weights, data)
        rows.append([name, *_figures(weights, returns, base, data)])
        if name == METHODS[0]:
            page.bars.append(_bar(panel, daily(weights, data), daily(equal, data)))
            page.bars.append(_turnover_bar(panel, weights, data))
    page.table(
        (
            "method",
            "volatility",
            "against 1/N (90 %)",
            "turnover a month",
            "worst drawdown",
            "net Sharpe",
            "net Sharpe less 1/N's (90 %)",
            "p",
        ),
        rows,
    )


def _figures(weights: Any, returns: Any, base: Any, data: Dataset) -> list[Any]:
    pair = np.column_stack([returns, base])
    told = [f"{returns.std() * math.sqrt(YEAR):.1%}"]
    sharpe = float(returns.mean() / returns.std() * math.sqrt(YEAR))
    turned = f"{turnovers(weights, data).mean():.1%}"
    if not np.ptp(returns - base):
        return [*told, "", turned, f"{_drawdown(returns):.1%}", f"{sharpe:.2f}", "", ""]
    low, high = bootstrap.interval(volatility_ratio, pair, MONTH, SAMPLES, SEED)
    worse, better = bootstrap.interval(_sharpe_gap, pair, MONTH, SAMPLES, SEED)
    test = bootstrap.sharpe_difference(returns, base, MONTH, SAMPLES, SEED)
    return [
        *told,
        f"{volatility_ratio(pair):+.1%} ({low:+.1%} to {high:+.1%})",
        turned,
        f"{_drawdown(returns):.1%}",
        f"{sharpe:.2f}",
        f"{_sharpe_gap(pair):+.2f} ({worse:+.2f} to {better:+.2f})",
        f"{test.p_value:.2f}",
    ]


def _sharpe_gap(pair: Any) -> float:
    ratio = pair.mean(axis=0) / pair.std(axis=0) * math.sqrt(YEAR)
    return float(ratio[0] - ratio[1])


def _bar(panel: str, ours: Any, equal: Any) -> Bar:
    pair = np.column_stack([ours, equal])
    ratio = volatility_ratio(pair)
    low, high = bootstrap.interval(volatility_ratio, pair, MONTH, SAMPLES, SEED)
    met = ratio <= WANTED
    why = "" if met else "minimum variance on a year of returns cuts less here"
    got = f"{ratio:+.1%} (90 % interval {low:+.1%} to {high:+.1%})"
    return Bar(f"volatility of minimum variance against 1/N, {panel}", f"<= {WANTED:.0%}", got, met, why)


def _turnover_bar(panel: str, weights: Any, data: Dataset) -> Bar:
    turned = float(turnovers(weights, data).mean())
    yearly = turned * 2 * COST * YEAR / MONTH
    note = f"costs {yearly:.2%} a year at 10 bp"
    return Bar(f"turnover of minimum variance, {panel}", "reported", f"{turned:.1%} a month", True, note)


def _choices(page: Page, data: Path) -> None:
    """Tell what was looked at before the window and the shrinkage target were fixed."""
    page.text(
        "## What was compared before the estimate was fixed\n\nVolatility of long-only minimum variance without other "
        "limits against 1/N, for every window and target that was tried, on every panel that was looked at. The first "
        "line is what is served. A longer window starts a year later, so its months are fewer."
    )
    sources = {"embedded, 1990-2022": "embedded-stocks"} | {name: str(data / path) for name, path in PANELS.items()}
    panels = {name: build_panel(load_bars(source, without_volume="zero")).returns for name, source in sources.items()}
    targets: tuple[Literal["constant_correlation", "identity"], ...] = ("constant_correlation", "identity")
    page.table(
        ("window, days", "shrunk towards", *panels),
        [
            [window, target, *(f"{_cut(returns, window, target):+.1%}" for returns in panels.values())]
            for window in WINDOWS
            for target in targets
        ],
    )


def _cut(returns: Any, window: int, target: Literal["constant_correlation", "identity"]) -> float:
    size = returns.shape[1]
    nothing = np.zeros(size)
    free = Constraints(nothing, np.ones(size), np.empty((0, size)), nothing[:0], (), nothing, np.inf)
    program, pairs = Program(free), []
    for start in range(window, len(returns) - MONTH + 1, MONTH):
        covariance = shrink(returns[start - window : start], target).covariance * YEAR
        weights = program.minimise(covariance, nothing)
        assert weights is not None, "weights that only add up to one always exist"
        ahead = returns[start : start + MONTH]
        pairs.append(np.stack([held_returns(weights, ahead), held_returns(np.full(size, 1 / size), ahead)], axis=1))
    return volatility_ratio(np.concatenate(pairs))


def _limits(page: Page, panel: str, data: Dataset) -> None:
    outputs = Optimiser().answer(data.inputs)
    missed = broken(outputs["weight"], data)
    steps = int((outputs["fallback_step"] > 0).sum())
    got = f"{len(missed)} missed in {len(data)} questions" + (f": {missed[0]}" if missed else "")
    note = f"half of them under random limits by random methods; {steps} answers came from a fallback"
    page.bars.append(Bar(f"every constraint met, {panel}", "none missed", got, not missed, note))


def _speed(page: Page, data: Dataset) -> None:
    page.text(f"## Time of one answer, {TIMED} securities, in one process")
    rows, slowest = [], 0.0
    for method in METHODS:
        inputs = _narrow({name: values[-1:] for name, values in _asked(method, data).items()})
        total = _times(lambda inputs=inputs: Optimiser().answer(inputs))
        slowest = max(slowest, float(np.percentile(total, 95)))
        rows.append([method, _ms(np.median(total)), _ms(np.percentile(total, 95)), *_parts(inputs)])
    page.table(("method", "median", "p95", "of it covariance", "the method in skfolio", "frontier, 21 programs"), rows)
    bar = Bar(f"p95 of one answer, {TIMED} securities, slowest method", "< 300 ms", _ms(slowest), slowest < 300)
    page.bars.append(bar)


def _narrow(inputs: dict[str, Any]) -> dict[str, Any]:
    """Return the question of the first securities, held equally, at most a tenth each."""
    each = ("security_id", "current_weight", "min_weight", "max_weight", "view", "view_confidence")
    cut = {name: inputs[name][:, :TIMED] for name in each}
    return {
        **inputs,
        **cut,
        "history": inputs["history"][:, :, :TIMED],
        "current_weight": np.full((1, TIMED), 1 / TIMED),
        "max_weight": np.full((1, TIMED), 0.1),
    }


def _parts(inputs: dict[str, Any]) -> list[str]:
    """Return the medians of an answer's three largest parts."""
    from components.models.portfolio.portfolio_optimizer.methods import propose

    question = read_question(inputs, 0, COLUMNS, NO_UNIVERSE)
    constraints, beliefs = Constraints.of(question), estimate(question.returns)
    aversion = question.limits["risk_aversion"]
    parts = (
        lambda: estimate(question.returns),
        lambda: propose(question.method, beliefs, constraints, aversion),
        lambda: efficient_frontier(beliefs, constraints),
    )
    return [_ms(np.median(_times(part))) for part in parts]


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"


def _times(call: Callable[[], Any]) -> Any:
    call()
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        call()
        taken.append(1e3 * (time.perf_counter() - began))
    return np.array(taken)
