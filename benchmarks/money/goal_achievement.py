"""The goal predictor on four panels: calibration, Brier score against closed forms, the solver, and speed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.money.page import Bar, Page
from components.data.dataset import Dataset
from components.data.sources import load_bars
from components.evaluation.calibration import reliability
from components.evaluation.hypothesis_tests import TestResult, diebold_mariano
from components.evaluation.judge import Claim, Judged
from components.evaluation.scoring import by_time
from components.evaluation.splits import walk_forward
from components.finance.goals import FloatArray, lognormal_success
from components.models.portfolio.goal_achievement.answer import success
from components.models.portfolio.goal_achievement.data import SAVERS, SEED, build_dataset
from components.models.portfolio.goal_achievement.judge import JUDGE, MOST_ECE
from components.models.portfolio.goal_achievement.model import GoalAchievement
from components.models.portfolio.goal_achievement.params import Params
from components.models.portfolio.goal_achievement.product import GoalRequest, to_inputs
from components.models.portfolio.goal_achievement.simulation import Plan, Simulation, draw, share_at_least
from components.models.portfolio.goal_achievement.solver import required_return, required_sip

SEEDS = (7, 8, 9, 10, 11)
MARKET = "market"
NSE_RAW, ACTIONS = "nse_daily_raw_2000_2021.parquet", "nse_suspected_corporate_actions.csv"
PANELS = {
    "embedded: 20 US stocks 1990-2022": "",
    "NSE 2004-2021, splits as inferred": NSE_RAW,
    "NSE adjusted 2021-2025": "nse_daily_adjusted_2020_2026.parquet",
    "US 6 symbols 1999-2020": "us_daily_adjusted_1999_2020.parquet",
    "US 110 stocks 2015-2020": "us_sp500_daily_2015_2020.parquet",
}
GOALS = 400
SPEED_CALLS = 60


@dataclass(frozen=True)
class Scored:
    """Out-of-sample rows of one panel and seed; ``parts`` holds probabilities of the model and its mutilations."""

    data: Dataset
    parts: dict[str, FloatArray]
    judged: Judged | None

    @property
    def reached(self) -> FloatArray:
        """Whether the goal was reached."""
        return self.data.targets["reached"][:, 0]

    def brier(self, name: str) -> FloatArray:
        """Return the loss of each row."""
        return (self.parts[name] - self.reached) ** 2

    def test(self, name: str, rival: str) -> TestResult:
        """Return Diebold-Mariano's test, rows of one time averaged."""
        times = np.unique(self.data.times)
        ahead = np.searchsorted(times, self.data.label_times) - np.searchsorted(times, self.data.times)
        ours, theirs = (by_time(self.brier(n), self.data.times) for n in (name, rival))
        return diebold_mariano(ours, theirs, max(1, int(np.median(ahead))))


def run(data: Path) -> Page:
    """Return the page of results."""
    page = Page("goal_achievement", "Goal achievement", seeds=[SEED, *SEEDS])
    page.files = [data / MARKET / name for name in (*filter(None, PANELS.values()), ACTIONS)]
    page.text(
        "How savers pay is simulated (`savers.py`; no public data set records it); what their portfolios earn are the "
        "monthly returns of the panel from random months on. Each panel is split walk-forward into three folds, purged "
        "by the target dates. A closed form takes everyone at their word: the plan paid in full, at the stated return "
        "and volatility. Goals of one panel share one market, so a panel is a handful of independent periods however "
        "many savers it has: the tests average over the rows of a month and allow for the overlap."
    )
    everything = {name: [score(bars_of(data, file), seed) for seed in SEEDS] for name, file in PANELS.items()}
    _scores(page, everything)
    _calibration(page, everything)
    _claims(page, everything)
    _closed_form(page)
    _solver(page)
    _speed(page)
    return page


def bars_of(data: Path, file: str) -> pd.DataFrame:
    """Load a panel; the raw NSE file's splits are taken out as the list of suspected ones has them."""
    if not file:
        return load_bars("embedded-stocks")
    bars = load_bars(str(data / MARKET / file), without_volume="zero")
    return take_out_splits(bars, pd.read_csv(data / MARKET / ACTIONS)) if file == NSE_RAW else bars


def take_out_splits(bars: pd.DataFrame, actions: pd.DataFrame) -> pd.DataFrame:
    """Multiply the closes before every likely split or bonus by its factor."""
    close = bars["close"].copy()
    for row in actions[actions["likely_split_or_bonus"]].itertuples():
        before = (bars["entity"] == row.symbol) & (bars["timestamp"] < pd.Timestamp(str(row.date)))
        close = close.where(~before, close * float(str(row.nearest_factor)))
    return bars.assign(close=close)


def score(bars: pd.DataFrame, seed: int) -> Scored:
    """Simulate savers anew, fit every fold, and answer its test rows; the whole answer for the first seed only."""
    params = Params(seed=seed)
    draws = draw(params.seed, params.paths)
    data = build_dataset(None, bars, ("target_date",), SAVERS, SEED + seed - SEEDS[0])
    parts: dict[str, list[FloatArray]] = {}
    answers, rows = [], []
    for fold in walk_forward(data).folds:
        model = GoalAchievement(params).fit(data.take(fold.train), data.take(fold.validation))
        test, history = data.take(fold.test), data.take(np.sort(np.concatenate([fold.train, fold.validation])))
        member: Any = model.member
        plans = member.plans(test.inputs)
        for name, change in _mutilations(test, all_of_them=seed == SEEDS[0]):
            chance = np.array([success(change(plan, i), draws) for i, plan in enumerate(plans)])
            parts.setdefault(name, []).append(chance)
        for name, baseline in JUDGE.baselines.items():
            parts.setdefault(name, []).append(baseline(history, test)["achievement_probability"][:, 0])
        rows.append(fold.test)
        if seed == SEEDS[0]:
            answers.append(model.predict(test.inputs))
    index = np.concatenate(rows)
    whole = data.take(index)
    judged = _judge(whole, answers, params) if answers else None
    return Scored(whole, {name: np.concatenate(values) for name, values in parts.items()}, judged)


def _mutilations(test: Dataset, all_of_them: bool) -> Iterator[tuple[str, Callable[[Plan, int], Plan]]]:
    """Yield the model and, if all are wanted, the model without one of its parts each."""
    stated = np.log1p(test.inputs["goal"][:, 5] / 100)
    yield "model", lambda plan, i: plan
    if not all_of_them:
        return
    yield "paid in full", lambda plan, i: replace(plan, ratio=1.0, spread=0.0)
    yield "drift known for certain", lambda plan, i: replace(plan, drift_sd=0.0)
    yield "stated return", lambda plan, i: replace(plan, log_growth=float(stated[i]) - plan.volatility**2 / 2)


def _judge(whole: Dataset, answers: list[dict[str, Any]], params: Params) -> Judged:
    outputs = {name: np.concatenate([answer[name] for answer in answers]) for name in answers[0]}
    loss = JUDGE.loss(outputs, whole)
    fold = np.repeat(np.arange(len(answers)), [len(a["confidence"]) for a in answers])
    return Judged(whole, outputs, {}, loss, {}, fold, {"seed": params.seed, "paths": params.paths})


def _scores(page: Page, everything: dict[str, list[Scored]]) -> None:
    page.text("## Brier score")
    names = ("model", *JUDGE.baselines, "paid in full", "stated return", "drift known for certain")
    rows = []
    for panel, runs in everything.items():
        means = {name: np.array([run.brier(name).mean() for run in runs if name in run.parts]) for name in names}
        rows.append([panel, len(runs[0].data), *map(_spread, means.values())])
        test = runs[0].test("model", "closed_form")
        ratio = means["model"].mean() / means["closed_form"].mean()
        p = test.p_value
        better = p is not None and p < 0.05
        page.bars.append(
            Bar(
                f"Brier score against the closed form, {panel}",
                "below it",
                f"{ratio:.3f} times it, {_p(p)}",
                bool(ratio < 1 and better) if p is not None else None,
                ""
                if better
                else "few independent periods; what was learnt of returns was worth less than the savers' word",
            )
        )
    page.table(["panel", "rows", *(name.replace("_", " ") for name in names)], rows)
    page.text(
        f"Mean ± standard deviation over {len(SEEDS)} seeds of savers, trees and paths together; the last "
        "three columns are of the first seed. `paid in full` is the model without its behaviour part, `stated return` "
        "with the saver's own return in place of the weighed one, `drift known for certain` without the uncertainty of "
        "the return."
    )


def _calibration(page: Page, everything: dict[str, list[Scored]]) -> None:
    page.text("## Calibration")
    rows = []
    for panel, runs in everything.items():
        eces = {
            name: np.array([reliability(run.parts[name], run.reached > 0)["ece"] for run in runs])
            for name in ("model", "closed_form")
        }
        mean, spread = float(eces["model"].mean()), float(eces["model"].std(ddof=1))
        page.bars.append(
            Bar(
                f"calibration (ECE), {panel}",
                f"<= {MOST_ECE}",
                f"{mean:.3f} ± {spread:.3f}",
                mean <= MOST_ECE,
                "" if mean <= MOST_ECE else "the market of the test years was unlike the years before; see the table",
            )
        )
        for part in reliability(runs[0].parts["model"], runs[0].reached > 0)["bins"]:
            rows.append([panel, part["rows"], f"{part['probability']:.1%}", f"{part['frequency']:.1%}"])
        rows.append([panel, "ECE", f"{mean:.3f}", f"closed form: {eces['closed_form'].mean():.3f}"])
    page.table(["panel", "rows", "stated", "reached"], rows)


def _claims(page: Page, everything: dict[str, list[Scored]]) -> None:
    page.text("## Claims of the judge")
    rows = []
    for panel, runs in everything.items():
        assert runs[0].judged is not None
        for claim in JUDGE.claims(runs[0].judged):
            rows.append([panel, claim.name, _held(claim), claim.detail])
            if claim.name == "expected_amount_unbiased":
                why = "" if claim.passed else "all goals of a panel share one market; the lags cover no new era"
                page.bars.append(
                    Bar(f"expected amount unbiased, {panel}", "p >= 0.05", claim.detail, claim.passed, why)
                )
    page.table(["panel", "claim", "holds", "figures"], rows)


def _closed_form(page: Page) -> None:
    """Compare with the log-normal closed form on random goals without contributions."""
    page.text("## Closed form")
    rows, worst = [], 0.0
    for seed in SEEDS:
        errors, absolute = _closed_form_errors(seed)
        worst = max(worst, float(np.abs(errors).max()))
        rows.append(
            [seed, len(errors), float(np.abs(errors).max()), float(np.mean(errors**2)), float(np.abs(absolute).max())]
        )
    page.table(
        ["seed", "goals", "largest error in standard errors", "mean square", "largest error of the probability"], rows
    )
    page.bars.append(
        Bar(
            "success probability against the closed-form log-normal, no contributions",
            "within Monte Carlo error (4 standard errors)",
            f"largest of {len(SEEDS) * GOALS}: {worst:.2f} standard errors",
            worst <= 4,
        )
    )


def _closed_form_errors(seed: int) -> tuple[FloatArray, FloatArray]:
    generator, draws = np.random.default_rng(seed), draw(seed, Params.paths)
    errors, absolute = [], []
    for _ in range(GOALS):
        months, sigma = int(generator.integers(1, 481)), float(generator.uniform(0.03, 0.4))
        growth, drift, years = float(generator.normal(0.08, 0.04)), float(generator.uniform(0, 0.1)), months / 12
        spread = float(np.hypot(sigma * np.sqrt(years), drift * 10 * -np.expm1(-years / 10)))
        target = 1e5 * float(np.exp(growth * years + generator.uniform(-2, 2) * spread))
        simulation = Simulation(Plan(1e5, target, 0.0, np.ones(months), growth, sigma, drift), draws)
        wealth = simulation.wealth()
        exact = float(lognormal_success(1e5, target, growth * years, spread))
        absolute.append(share_at_least(wealth, target) - exact)
        errors.append(absolute[-1] / simulation.share_error(wealth))
    return np.array(errors), np.array(absolute)


def _solver(page: Page) -> None:
    """Ask again with what the solver proposes, on the same paths and on others."""
    page.text("## Solver")
    generator, fresh = np.random.default_rng(SEEDS[0]), draw(SEEDS[1], Params.paths)
    draws = draw(SEEDS[0], Params.paths)
    same, other, returns = [], [], []
    for _ in range(GOALS // 2):
        months = int(generator.integers(6, 360))
        plan = Plan(
            initial=float(generator.uniform(0, 1e6)),
            target=float(generator.uniform(5e5, 1e8)),
            sip=float(generator.uniform(1e3, 1e5)),
            shape=np.ones(months),
            log_growth=float(generator.normal(0.09, 0.02)),
            volatility=float(generator.uniform(0.05, 0.3)),
            drift_sd=0.05,
            ratio=0.95,
            spread=0.15,
            residuals=np.linspace(-2, 1.5, 101),
            least=0.02,
        )
        simulation = Simulation(plan, draws)
        proposed = plan.saves(required_sip(simulation))
        same.append(success(proposed, draws))
        other.append(success(proposed, fresh))
        found = required_return(simulation, 0.95)
        if found is not None:
            moved = replace(plan, log_growth=float(np.log1p(found)) - plan.volatility**2 / 2)
            returns.append(success(moved, draws))
    rows = [
        ["payment, same paths", len(same), float(np.min(same)), float(np.mean(same)), float(np.max(same))],
        ["payment, other paths", len(other), float(np.min(other)), float(np.mean(other)), float(np.max(other))],
        ["return, same paths", len(returns), float(np.min(returns)), float(np.mean(returns)), float(np.max(returns))],
    ]
    page.table(["asked again with the proposed", "goals", "least probability", "mean", "largest"], rows)
    # A payment of 0 that already gives more than 95 % is no miss.
    unsure = float(np.max(0.95 - np.array(same)))
    page.bars.append(
        Bar(
            "required payment asked again",
            "95 %",
            f"{0.95 - unsure:.4f} at least",
            unsure < 1e-9,
        )
    )


def _speed(page: Page) -> None:
    """Time one answer in process, and its parts."""
    page.text("## Speed")
    data = build_dataset(None, load_bars("embedded-stocks"), ("target_date",))
    final = walk_forward(data).final
    model = GoalAchievement().fit(data.take(final.train), data.take(final.validation))
    member: Any = model.member
    example = GoalRequest.model_config["json_schema_extra"]["examples"][0]  # type: ignore[index,call-overload]
    inputs = dict(to_inputs(GoalRequest.model_validate(example), datetime(2025, 11, 13, tzinfo=UTC)))
    rows = []
    for months in (61, 120, 240, 480):
        asked = {name: values.copy() for name, values in inputs.items()}
        asked["goal"][0, 2] = months
        (plan,) = member.plans(asked)
        draws = draw(model.params.seed, model.params.paths)
        simulation = Simulation(plan, draws)
        whole = _times(partial(model.predict, asked))
        rows.append(
            [
                months,
                *(float(np.quantile(t, 0.95)) for t in whole),
                _median(partial(member.plans, asked)),
                _median(partial(Simulation, plan, draws)),
                _median(partial(required_return, simulation, 0.95)),
                _median(partial(required_sip, simulation)),
            ]
        )
    page.table(
        ["months to target", "p95 ms", "p95 CPU ms", "beliefs and trees", "paths", "a required return", "required SIP"],
        rows,
    )
    page.text(
        "Medians of CPU milliseconds in the last four columns; the rest of an answer is its milestones and its fan."
    )
    worst = rows[0][1]
    page.bars.append(
        Bar(
            "answer in process, the document's example",
            "p95 < 100 ms",
            f"{worst:.1f} ms, CPU {rows[0][2]:.1f} ms",
            worst < 100,
        )
    )


def _times(call: Callable[[], Any]) -> tuple[FloatArray, FloatArray]:
    walls, cpus = [], []
    for _ in range(SPEED_CALLS):
        wall, cpu = time.perf_counter(), time.thread_time()
        call()
        walls.append(1e3 * (time.perf_counter() - wall))
        cpus.append(1e3 * (time.thread_time() - cpu))
    return np.array(walls), np.array(cpus)


def _median(call: Callable[[], Any]) -> float:
    return float(np.median(_times(call)[1]))


def _spread(values: FloatArray) -> str:
    deviation = f" ± {values.std(ddof=1):.4f}" if len(values) > 1 else ""
    return f"{values.mean():.4f}{deviation}"


def _held(claim: Claim) -> str:
    return {True: "yes", False: "no", None: "not judged"}[claim.passed]


def _p(value: float | None) -> str:
    return "p not computable" if value is None else f"Diebold-Mariano p = {value:.2g}"
