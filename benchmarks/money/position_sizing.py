"""Position sizing on NSE stocks (2020 to 2025), US large caps (2015 to 2020) and the 20 shipped stocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.money.page import Bar, Page
from components.data import embedded_stocks
from components.data.dataset import Dataset
from components.data.panel import Panel, build_panel
from components.data.sources import load_bars
from components.evaluation.hypothesis_tests import diebold_mariano
from components.evaluation.judge import Judged
from components.evaluation.scoring import by_time
from components.evaluation.splits import walk_forward
from components.models.contract import FloatArray
from components.models.portfolio.position_sizing.claims import (
    WANTED,
    claims,
    portfolio_risk,
    risk_ratio,
    target_risk,
    targeted,
)
from components.models.portfolio.position_sizing.data import build_rows
from components.models.portfolio.position_sizing.judge import JUDGE, LEAST
from components.models.portfolio.position_sizing.model import Params, PositionSizing
from components.training.judged import join

SEEDS = (7, 8, 9, 10, 11)
NSE, US = "market/nse_daily_adjusted_2020_2026.parquet", "market/us_sp500_daily_2015_2020.parquet"
INDIA, VIX = "market/india_index_daily.parquet", "market/us_vix_daily_1990_2026.parquet"

METHOD = """
A question is asked every 21 days for every security: how much of it does an account want that already holds up to eight
others? The accounts are simulated (a seed each), the prices are real. The answer is held for 21 days; the realised
volatility of book and position together is compared with the volatility that was asked for. "Realised over asked" is
the root of the mean squared ratio over all questions, so that bad months count; its interval resamples blocks of four
months. The bar is judged on the position that meets the target, before Kelly's limit and the cash: those bind where the
forecast is high, and leaving such rows out would pick the ones where it was too low. The squared log ratio is that of
the recommended position to the risk it was sized for. Three expanding walk-forward folds over the last 60 % of each
history. Panels are today's constituents: returns, and with them Kelly's limit, flatter.
"""


@dataclass(frozen=True)
class Universe:
    """A panel, and the market's volatility index at its times (None for the stand-in)."""

    name: str
    panel: Panel
    vix: FloatArray | None


def run(data: Path) -> Page:
    """Train, test and compare; returns the page."""
    page = Page(
        "position_sizing", "Position sizing", files=[data / f for f in (NSE, US, INDIA, VIX)], seeds=list(SEEDS)
    )
    page.text(METHOD)
    for universe in universes(data):
        page.text(f"## {universe.name}")
        report(
            page, universe, [judge(build_rows(universe.panel, universe.vix, seed), Params(seed=seed)) for seed in SEEDS]
        )
    return page


def universes(data: Path) -> list[Universe]:
    """Return the panels with their volatility indices."""
    india, us = pd.read_parquet(data / INDIA), pd.read_parquet(data / VIX)
    nse, caps = (build_panel(load_bars(str(data / f), without_volume="zero")) for f in (NSE, US))
    return [
        Universe(f"NSE, {len(nse.names)} stocks, 2020 to 2025", nse, _known(india[india["index"] == "INDIAVIX"], nse)),
        Universe(f"US, {len(caps.names)} large caps, 2015 to 2020", caps, _known(us, caps)),
        Universe("20 US stocks, 1990 to 2022 (shipped)", build_panel(embedded_stocks.bars()), None),
    ]


def _known(index: pd.DataFrame, panel: Panel) -> FloatArray:
    """Return the index's latest close known at each time of the panel."""
    days = pd.DatetimeIndex(panel.times).normalize()
    close = index.assign(date=pd.to_datetime(index["date"])).set_index("date")["close"].dropna().sort_index()
    return close.reindex(days, method="ffill").to_numpy(dtype=np.float64)


def judge(data: Dataset, params: Params) -> Judged:
    """Fit and answer in every fold; returns the answers of all folds."""
    parts = []
    for fold in walk_forward(data).folds:
        train, validation, test = (data.take(part) for part in (fold.train, fold.validation, fold.test))
        model = PositionSizing(params)
        model.fit(train, validation)
        outputs, history = model.predict(test.inputs), data.take(np.sort(np.concatenate([fold.train, fold.validation])))
        rivals = {name: answer(history, test) for name, answer in JUDGE.baselines.items()}
        losses = {name: JUDGE.loss(answer, test) for name, answer in rivals.items()}
        number = np.full(len(test), fold.number, dtype=np.int64)
        parts.append(Judged(test, outputs, rivals, JUDGE.loss(outputs, test), losses, number, asdict(params)))
    return join(parts)


def report(page: Page, universe: Universe, runs: Sequence[Judged]) -> None:
    """Add a universe's tables and bars; intervals and p-values are of the first seed."""
    first = runs[0]
    times = first.data.times
    rows: list[tuple[object, ...]] = []
    for name in ("model", *JUDGE.baselines):
        answers = [r.outputs if name == "model" else r.baselines[name] for r in runs]
        found = [_ratio(r, a["recommended_position"] / 100) for r, a in zip(runs, answers, strict=True)]
        loss = [float((r.loss if name == "model" else r.baseline_losses[name]).mean()) for r in runs]
        p = "" if name == "model" else f"{_p(first, name):.2g}"
        weight = float(answers[0]["recommended_position"].mean())
        interval = f"{found[0][1]:.3f} to {found[0][2]:.3f}"
        rows.append((name.replace("_", " "), _spread([f[0] for f in found]), interval, _spread(loss), p, weight))
    header = ("", "realised over asked", "90 % interval", "squared log ratio", "Diebold-Mariano p", "mean position, %")
    page.table(header, rows)
    bound = first.outputs["binding"]
    page.text(
        f"{len(first.loss)} questions, {str(times.min())[:10]} to {str(times.max())[:10]}. The position was set by "
        + ", ".join(f"{name} in {np.mean(bound == name):.1%}" for name in ("volatility", "kelly", "cash"))
        + " of them."
    )
    page.text(strictly(first))
    page.table(("claim", "holds", "figures"), [(c.name, _word(c.passed), c.detail) for c in claims(first)])
    on_target(page, universe, runs)


def strictly(judged: Judged) -> str:
    """Say how it looks when Kelly's restraint counts as a miss of the target, and where it did not bind."""
    ratio = portfolio_risk(judged.outputs["recommended_position"] / 100, judged.data) / target_risk(judged.data)
    bound = judged.outputs["binding"] == "volatility"
    pooled, low, high = risk_ratio(ratio[bound], judged.data.times[bound])
    loss = float(np.mean(np.log(np.maximum(ratio, LEAST)) ** 2))
    return (
        "On the rows alone where the target did set the position (picked by the forecast itself), realised over asked "
        f"is {pooled:.3f} ({low:.3f} to {high:.3f}). Scored against the asked target everywhere, so that Kelly's "
        f"restraint counts as a miss, the squared log ratio of the model is {loss:.3f}."
    )


def on_target(page: Page, universe: Universe, runs: Sequence[Judged]) -> None:
    """Add the bar of MODELS.md."""
    found = []
    for run_ in runs:
        ratio, room = targeted(run_)
        found.append(risk_ratio(ratio[room], run_.data.times[room]))
    pooled, low, high = found[0]
    ratio, room = targeted(runs[0])
    yearly = runs[0].data.times.astype("datetime64[Y]")
    by_year = {str(y): float(np.sqrt(np.mean(ratio[room & (yearly == y)] ** 2))) for y in np.unique(yearly)}
    worst = max(by_year, key=lambda year: abs(by_year[year] - 1))
    note = f"median month {np.median(ratio[room]):.2f}, worst year {worst}: {by_year[worst]:.2f}"
    got = f"{_spread([f[0] for f in found])}, 90 % interval {low:.3f} to {high:.3f}"
    what = f"realised risk over its target, {universe.name}"
    page.bars.append(Bar(what, f"within {WANTED:.0%} of 1", got, abs(pooled - 1) <= WANTED, note))
    page.table(("year", "realised over asked, position that meets the target"), list(by_year.items()))


def _ratio(judged: Judged, position: FloatArray) -> tuple[float, float, float]:
    return risk_ratio(portfolio_risk(position, judged.data) / target_risk(judged.data), judged.data.times)


def _p(judged: Judged, name: str) -> float:
    ours, theirs = (by_time(loss, judged.data.times) for loss in (judged.loss, judged.baseline_losses[name]))
    found = diebold_mariano(ours, theirs).p_value
    return float("nan") if found is None else found


def _spread(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} ± {np.std(values):.3f}"


def _word(passed: bool | None) -> str:
    return {True: "yes", False: "**no**", None: "not judged"}[passed]
