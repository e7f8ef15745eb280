"""Auto-invest on real panels: courses of ten seeds against 1/N, net of 10 basis points, from training days apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.money.page import Bar, Page
from components.data.panel import Panel, build_panel
from components.data.sectors import sectors_of
from components.data.sources import load_bars
from components.evaluation.bootstrap import interval, sharpe_difference
from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.backtest import Course, Strategy, buy_and_hold, equal_weight, follow
from components.models.portfolio.auto_invest.backtest import run as backtest
from components.models.portfolio.auto_invest.environment import InvestEnv
from components.models.portfolio.auto_invest.params import Params
from components.models.portfolio.auto_invest.policy import Policy
from components.models.portfolio.auto_invest.signals import LOOKBACK, History
from components.models.portfolio.auto_invest.tilts import act, observe
from components.models.portfolio.auto_invest.training import export, train_ppo
from components.models.portfolio.auto_invest.users import User

SEEDS = tuple(range(1, 11))
PARAMS = replace(Params(), policies=1)
SAMPLES, BLOCK = 5000, 6
MONTHS = 12
NSE, US = "market/nse_daily_adjusted_2020_2026.parquet", "market/us_sp500_daily_2015_2020.parquet"


@dataclass(frozen=True)
class Market:
    """One panel and where its parts begin: policies are trained before each cut and followed until the next one."""

    title: str
    panel: Panel
    history: History
    cuts: tuple[int, ...]


@dataclass(frozen=True)
class Outcome:
    """Courses on one panel: of every seed, of the mean action of all seeds, and of the baselines."""

    market: Market
    seeds: tuple[Course, ...]
    ensemble: Course
    neutral: Course
    hold: Course

    @property
    def mean(self) -> FloatArray:
        """Monthly net returns, averaged over the seeds."""
        made: FloatArray = np.mean([course.returns for course in self.seeds], axis=0)
        return made

    @property
    def excess(self) -> tuple[float, float, float]:
        """Mean monthly return above 1/N over all seeds, and its 95 % interval."""
        series = self.mean - self.neutral.returns
        low, high = interval(lambda x: float(x.mean()), series, min(BLOCK, len(series) // 4), SAMPLES, 7, 0.95)
        return float(series.mean()), low, high


def run(data: Path) -> Page:
    """Train and follow every seed on every panel."""
    page = Page("auto_invest", "Auto-invest: PPO against 1/N", seeds=list(SEEDS), files=[data / NSE, data / US])
    page.text(
        "Policies are trained with PPO on the days before a cut and then followed day by day, from equal shares, "
        f"without limits and at the highest risk tolerance, deciding every {PARAMS.step_days} trading days. Costs are "
        f"{1e4 * PARAMS.cost_rate:.0f} basis points of what is traded. {PARAMS.steps:,} environment steps a policy; "
        "monthly returns, block bootstrap of six months. 1/N is rebalanced at the same days at the same cost."
    )
    outcomes = [_outcome(market) for market in _markets(data)]
    for outcome in outcomes:
        page.bars.append(_parity(outcome))
        _tables(page, outcome)
    page.bars += _invariants()
    for outcome in outcomes:
        page.bars += _document(outcome)
    page.text(
        "## What this means\n\nA policy that earns what 1/N earns is what the literature leads to expect (DeMiguel, "
        "Garlappi and Uppal 2009, doi:10.1093/rfs/hhm075): over a few years, differences between means are smaller "
        "than their estimates' errors. The gate therefore asks for a match and not for a win. What sets the policies "
        "apart from 1/N is to a large part that they trade less and let winners run (the share is told above), which "
        "buy and hold does without any learning. The panels hold companies that are large today: returns are too high "
        "for every strategy, and letting winners run pays best among survivors; any lead over 1/N is an upper bound."
    )
    return page


def _markets(data: Path) -> list[Market]:
    made = []
    for title, source, shares in (
        ("embedded stocks, 20 US, 1990 to 2022", "embedded-stocks", (0.4, 0.7)),
        ("US, 2015 to 2020", str(data / US), (0.55,)),
        ("NSE adjusted, 2021 to 2025", str(data / NSE), (0.55,)),
    ):
        panel = build_panel(load_bars(source, without_volume="zero"))
        sectors = sectors_of(panel.names)
        history = History(panel.close, panel.names, tuple(sectors[name] for name in panel.names))
        days = history.days
        made.append(Market(title, panel, history, (*(round(share * days) for share in shares), days - 1)))
    return made


def _outcome(market: Market) -> Outcome:
    history, pairs = market.history, list(zip(market.cuts[:-1], market.cuts[1:], strict=True))
    trained: list[list[Policy]] = []
    for cut, _ in pairs:
        past = History(history.close[: cut + 1], history.names, history.sectors)
        trained.append([Policy((export(train_ppo(past, PARAMS, seed)),)) for seed in SEEDS])

    def course(choose: Callable[[int], Strategy]) -> Course:
        return _chain([backtest(history, PARAMS, choose(i), *pair) for i, pair in enumerate(pairs)])

    def alone(number: int) -> Course:
        return course(lambda i: follow(trained[i][number], PARAMS))

    every = [Policy(tuple(network for policy in part for network in policy.networks)) for part in trained]
    return Outcome(
        market,
        tuple(alone(number) for number in range(len(SEEDS))),
        course(lambda i: follow(every[i], PARAMS)),
        course(lambda i: equal_weight),
        course(lambda i: buy_and_hold),
    )


def _chain(parts: Sequence[Course]) -> Course:
    equity = np.ones(1)
    for part in parts:
        equity = np.concatenate([equity, equity[-1] * part.equity[1:]])
    joined = (np.concatenate([getattr(p, name) for p in parts]) for name in ("returns", "turnover", "cost"))
    returns, turnover, cost = joined
    return Course(returns, equity, turnover, cost, parts[0].first)


def _parity(outcome: Outcome) -> Bar:
    mean, low, high = outcome.excess
    held = MONTHS * float((outcome.hold.returns - outcome.neutral.returns).mean())
    beside = f"buy and hold: {held:+.2%} a year against 1/N"
    return Bar(
        f">= 1/N net of 10 bp, {len(SEEDS)} seeds, {outcome.market.title}",
        "within the interval",
        f"{MONTHS * mean:+.2%} a year, 95 % interval {MONTHS * low:+.2%} to {MONTHS * high:+.2%}",
        high >= 0,
        f"{'above' if low > 0 else 'not distinguishable from' if high >= 0 else 'below'} 1/N; {beside}",
    )


def _tables(page: Page, outcome: Outcome) -> None:
    market, cuts = outcome.market, outcome.market.cuts
    page.text(
        f"## {market.title}\n\n{len(market.history.names)} securities. Trained from {_day(market, 0)}; followed from "
        f"{' and again from '.join(_day(market, cut) for cut in cuts[:-1])} to {_day(market, cuts[-1])}, "
        f"{len(outcome.neutral.returns)} months."
    )
    header = ("strategy", "annual return", "Sharpe", "largest fall", "turnover a month", "cost a year", "months up")
    rows: list[Sequence[Any]] = [("PPO, mean ± sd over seeds", *_spread(outcome.seeds))]
    named = {"PPO, mean action of all seeds": outcome.ensemble, "1/N": outcome.neutral, "buy and hold": outcome.hold}
    rows += [(name, *_shown(_figures(course))) for name, course in named.items()]
    page.table(header, rows)
    better = sum(course.returns.mean() >= outcome.neutral.returns.mean() for course in outcome.seeds)
    block = min(BLOCK, len(outcome.mean) // 4)
    test = sharpe_difference(outcome.mean, outcome.neutral.returns, block, SAMPLES, 7)
    page.text(
        f"{better} of {len(SEEDS)} seeds earned at least what 1/N did. Monthly, mean of the seeds against 1/N: "
        f"{test.verdict} (Ledoit-Wolf, two-sided). {_like_holding(outcome)}"
    )
    page.text(_bands(outcome))


def _day(market: Market, day: int) -> str:
    return str(market.panel.times[day].astype("datetime64[D]"))


def _figures(course: Course) -> FloatArray:
    annual = course.equity[-1] ** (252 / (len(course.equity) - 1)) - 1
    return np.array(
        [
            annual,
            course.sharpe,
            course.max_drawdown,
            course.turnover.mean(),
            MONTHS * course.cost.mean(),
            (course.returns > 0).mean(),
        ]
    )


def _shown(figures: FloatArray) -> list[str]:
    return [f"{v:.2f}" if i == 1 else f"{v:.2%}" for i, v in enumerate(figures)]


def _spread(courses: Sequence[Course]) -> list[str]:
    every = np.array([_figures(course) for course in courses])
    pairs = zip(_shown(every.mean(axis=0)), _shown(every.std(axis=0, ddof=1)), strict=True)
    return [f"{mean} ± {spread}" for mean, spread in pairs]


def _like_holding(outcome: Outcome) -> str:
    """Return how much of what sets the policies apart from 1/N is that they hold what they have."""
    ours, held = outcome.mean - outcome.neutral.returns, outcome.hold.returns - outcome.neutral.returns
    together = float(np.corrcoef(ours, held)[0, 1])
    return (
        f"Month by month, {together**2:.0%} of the variance of their distance from 1/N is that of buying and holding "
        f"(correlation {together:+.2f})."
    )


def _bands(outcome: Outcome) -> str:
    """Return what one unit became at the end, over the seeds."""
    ends = [course.equity[-1] for course in outcome.seeds]
    low, middle, high = np.quantile(ends, [0.1, 0.5, 0.9])
    return (
        f"One unit became {middle:.2f} in the median seed (10 % to 90 % of seeds: {low:.2f} to {high:.2f}), "
        f"{outcome.neutral.equity[-1]:.2f} in 1/N and {outcome.hold.equity[-1]:.2f} held untouched."
    )


def _document(outcome: Outcome) -> list[Bar]:
    """Compare with document 0's metrics of reinforcement learning, on the mean over seeds."""
    ours = np.mean([_figures(course) for course in outcome.seeds], axis=0)
    grown = float(np.mean([course.equity[-1] for course in outcome.seeds]))
    market = _figures(outcome.neutral)
    title = outcome.market.title
    years = len(outcome.neutral.returns) / MONTHS
    market_level = f"1/N itself has {market[1]:.2f}: a level of the market and not of the strategy"
    fall_level = f"1/N itself fell {market[2]:.1%}; fully invested at the highest risk tolerance"
    tilt = "one standard deviation of a trait moves a share by a quarter at most, so that strategies stay near 1/N"
    rows = (
        (
            "cumulative return",
            "> market (1/N)",
            grown,
            outcome.neutral.equity[-1],
            grown > outcome.neutral.equity[-1],
            "",
        ),
        ("Sharpe ratio", "> 1.0", ours[1], market[1], ours[1] > 1, market_level),
        ("largest fall", "< 20 %", ours[2], market[2], ours[2] < 0.2, fall_level),
        ("months with a gain", "> 55 %", ours[5], market[5], ours[5] > 0.55, "months are few and the market's own"),
        ("Sharpe over 1/N's", "> 1.2", ours[1] / market[1], 1.0, ours[1] > 1.2 * market[1], tilt),
        ("years of backtest", ">= 5", years, years, years >= 5, "the panel is no longer"),
    )
    return [
        Bar(f"{what}, {title}", wanted, f"{got:.3g} (1/N {theirs:.3g})", bool(met), "" if met else why)
        for what, wanted, got, theirs, met, why in rows
    ]


def _invariants() -> list[Bar]:
    """Check the environment on prices without drift, where no strategy can earn anything but its costs."""
    generator = np.random.default_rng(7)
    names = tuple(f"S{i}" for i in range(12))
    draws = 0.01 * generator.standard_normal((LOOKBACK + 1500, len(names)))
    history = History(np.cumprod(1 + draws, axis=0), names, ("A",) * 6 + ("B",) * 6)
    env = InvestEnv(history, PARAMS)
    env.action_space.seed(7)
    env.reset(seed=7)
    gained, leaks = [], []
    for _ in range(2000):
        before = env.account.value
        *_, over, info = env.step(env.action_space.sample())
        leaks.append(abs(before - info["path"][0] - info["cost"] * before) / before)
        gained.append(info["net_return"] + info["cost"])
        if over:
            env.reset()
    mean, error = float(np.mean(gained)), float(np.std(gained) / np.sqrt(len(gained)))
    moved = _looks_ahead(history)
    return [
        Bar("cash conserved in a trade, 2,000 random steps", "< 1e-9", f"{max(leaks):.1e}", max(leaks) < 1e-9),
        Bar(
            "random agent on prices without drift: return before costs",
            "0 within two standard errors",
            f"{mean:+.3%} ± {error:.3%}",
            abs(mean) < 2 * error,
            "" if abs(mean) < 2 * error else "two standard errors hold in 95 % of draws",
        ),
        Bar("decisions change when the future does", "by 0", f"{moved:.1e}", moved == 0),
    ]


def _looks_ahead(history: History) -> float:
    """Return how much an observation and its action move when every later price is doubled."""
    day = LOOKBACK + 300
    other = history.close.copy()
    other[day + 1 :] *= 2.0
    generator = np.random.default_rng(7)
    raw = generator.uniform(-1, 1, 8)
    seen = []
    for close in (history.close, other):
        env = InvestEnv(History(close, history.names, history.sectors), PARAMS)
        env.begin({"day": day, "user": User.unlimited(len(history.names)), "weights": env.neutral})
        state = env.state()
        seen.append(np.concatenate([observe(state), act(PARAMS, raw, state.scores).allocation_changes]))
    return float(np.abs(seen[0] - seen[1]).max())
