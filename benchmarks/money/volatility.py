"""The volatility forecast on SPY, MSFT and NIFTY 50 (daily), and on NIFTY 50 with variances from one-minute bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.money.page import Bar, Page
from components.data.bars import SESSION_CLOSE
from components.data.dataset import Dataset
from components.evaluation.hypothesis_tests import bandwidth, newey_west_variance
from components.evaluation.splits import walk_forward
from components.features.price import compute_features
from components.models.contract import FloatArray, Outputs
from components.models.markets.volatility import judge
from components.models.markets.volatility.data import REALISED, build_dataset
from components.models.markets.volatility.inputs import range_variances
from components.models.markets.volatility.intraday import daily_bars
from components.models.markets.volatility.members.base import realised
from components.models.markets.volatility.model import Volatility
from components.models.markets.volatility.params import HORIZONS, Params

SEEDS = (7, 8, 9, 10, 11)
US, INDIA = "market/us_daily_adjusted_1999_2020.parquet", "market/india_index_daily.parquet"
VIX, MINUTES = "market/us_vix_daily_1990_2026.parquet", "intraday/nifty_banknifty_1min_2021_2023.parquet"
DAILY_BAR, MINUTE_BAR = 0.95, 0.85
MINUTE_TEST, MINUTE_REFITS, MINUTE_VALIDATION = np.datetime64("2021-07-01"), 6, 250
MINUTE_END = pd.Timestamp("2023-02-01")
REFERENCE = {"SPY": 0.94, "MSFT": 0.87, "NIFTY50": 0.975}
"""MODELS.md: log-HAR alone against GARCH-t, untuned."""

Split = tuple[Dataset, Dataset, Dataset]
Forecasters = dict[str, Callable[[Dataset, Dataset], Outputs]]


@dataclass(frozen=True)
class Scored:
    """Out-of-sample answers: losses by name of shape (rows, horizons), and the model's outputs."""

    data: Dataset
    losses: dict[str, FloatArray]
    outputs: Outputs

    def ratio(self, name: str, base: str, h: int) -> float:
        """Return one mean loss over another."""
        return float(self.losses[name][:, h].mean() / self.losses[base][:, h].mean())

    def error(self, name: str, base: str, h: int) -> float:
        """Return the standard error of the ratio over the days (delta method, Newey-West)."""
        one, other = (judge.by_time(self.losses[n][:, h], self.data) for n in (name, base))
        apart = one - self.ratio(name, base, h) * other
        lags = bandwidth(len(apart), list(HORIZONS.values())[h])
        return float(np.sqrt(newey_west_variance(apart, lags) / len(apart)) / other.mean())

    def p(self, name: str, base: str, horizon: str) -> float:
        """Return the p-value of the Diebold-Mariano test."""
        h = list(HORIZONS).index(horizon)
        found = judge.compare(self.data, horizon, self.losses[name][:, h], self.losses[base][:, h]).p_value
        return float("nan") if found is None else found


def run(data: Path) -> Page:
    """Train, test and compare; returns the page."""
    page = Page("volatility", "Volatility forecast", files=[data / f for f in (US, INDIA, VIX, MINUTES)])
    page.seeds = list(SEEDS)
    page.text(METHOD)
    for name, bars, market in daily(data):
        made = build_dataset(compute_features(bars, market), bars, tuple(HORIZONS))
        splits = list(folds(made))
        runs = [score(splits, Params(seed=seed)) for seed in SEEDS]
        neutral = market.assign(vix=20.0)
        blind = score(
            list(folds(build_dataset(compute_features(bars, neutral), bars, tuple(HORIZONS)))), Params(), others=False
        )
        report(page, name, runs, blind)
        page.bars += bars_of(name, runs, DAILY_BAR)
    minutes(page, data)
    return page


def score(splits: Iterable[Split], params: Params, others: bool = True) -> Scored:
    """Fit on each split's training and validation rows, answer its test rows."""
    parts = []
    for train, validation, test in splits:
        model = Volatility(params).fit(train, validation)
        history = join([train, validation])
        outputs = model.predict(test.inputs)
        answers = {name: make(history, test) for name, make in (BASELINES if others else REFERENCES).items()}
        answers |= {name: {"variance": np.exp(m.predict(test.inputs))} for name, m in model.members.items()}
        losses = {name: judge.losses(answer, test) for name, answer in answers.items()}
        parts.append(Scored(test, losses | {"model": judge.losses(outputs, test)}, outputs))
    first = parts[0]
    return Scored(
        join([p.data for p in parts]),
        {name: np.concatenate([p.losses[name] for p in parts]) for name in first.losses},
        {name: np.concatenate([p.outputs[name] for p in parts]) for name in first.outputs},
    )


def relevelled(history: Dataset, test: Dataset) -> Outputs:
    """Forecast with GARCH-t times the factor that would have minimised its QLIKE on the history."""
    factor = (realised(history) / judge.garch_t(history, history)["variance"]).mean(axis=0)
    return {"variance": judge.garch_t(history, test)["variance"] * factor}


BASELINES: Forecasters = {
    "garch_t baseline": judge.garch_t,
    "gjr_t baseline": judge.gjr_t,
    "garch_t, re-levelled": relevelled,
    "ewma": judge.ewma,
    "last_realised": judge.last_realised,
}
REFERENCES: Forecasters = {"garch_t baseline": judge.garch_t}


def folds(data: Dataset) -> Iterable[Split]:
    """Yield the three walk-forward folds that the graph makes, purged."""
    for fold in walk_forward(data).folds:
        yield data.take(fold.train), data.take(fold.validation), data.take(fold.test)


def daily(data: Path) -> Iterable[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Yield name, daily bars and market context; US prices on the level of the dividend-adjusted close."""
    us, vix = pd.read_parquet(data / US), pd.read_parquet(data / VIX)
    for symbol in ("SPY", "MSFT"):
        raw = us[us["symbol"] == symbol]
        factor = raw["adjusted_close"] / raw["close"]
        adjusted = raw.assign(**{c: raw[c] * factor for c in ("open", "high", "low", "close")})
        yield symbol, framed(adjusted, symbol), context(vix)
    india = pd.read_parquet(data / INDIA)
    nifty = india[india["index"] == "NIFTY50"].assign(volume=0.0)
    yield "NIFTY50", framed(nifty, "NIFTY50"), context(india[india["index"] == "INDIAVIX"])


def framed(raw: pd.DataFrame, entity: str) -> pd.DataFrame:
    """Return a bars frame; a day's bar is known at 21:00 UTC."""
    known = pd.to_datetime(raw["date"]).astype("datetime64[ns]") + SESSION_CLOSE
    bars = raw.assign(entity=entity, timestamp=known)[["entity", "timestamp", "open", "high", "low", "close", "volume"]]
    return bars.astype({"volume": float}).sort_values("timestamp").reset_index(drop=True)


def context(vix: pd.DataFrame) -> pd.DataFrame:
    """Return a market frame whose only information is the volatility index."""
    known = pd.to_datetime(vix["date"]).astype("datetime64[ns]") + SESSION_CLOSE
    made = pd.DataFrame({"timestamp": known, "vix": vix["close"].astype(float)}).dropna()
    made = made.assign(breadth=0.5, dispersion=0.015, vix_is_proxy=0.0)
    return made.sort_values("timestamp").reset_index(drop=True)


def report(page: Page, name: str, runs: list[Scored], blind: Scored | None) -> None:
    """Add the tables of one data set."""
    first = runs[0]
    days = np.unique(first.data.times)
    page.text(f"## {name}\n\n{len(days)} test days, {str(days[0])[:10]} to {str(days[-1])[:10]}.")
    rows = []
    for told in ("model", *(n for n in first.losses if n != "model")):
        cells: list[object] = [told]
        for h, horizon in enumerate(HORIZONS):
            base = "" if told == "garch_t baseline" else f", p = {first.p(told, 'garch_t baseline', horizon):.2g}"
            ratio = first.ratio(told, "garch_t baseline", h)
            cells.append(f"{first.losses[told][:, h].mean():.4f} ({ratio:.3f}{base})")
        rows.append(cells)
    if blind is not None:
        cells = ["model without the volatility index"]
        cells += [
            f"{blind.losses['model'][:, h].mean():.4f} ({blind.ratio('model', 'garch_t baseline', h):.3f})"
            for h in range(3)
        ]
        rows.append(cells)
    page.text("Mean QLIKE (ratio to GARCH-t, Diebold-Mariano p):")
    page.table(("forecast", *HORIZONS), rows)
    page.text("The model's level and intervals, and how far seeds move it:")
    page.table(("measure", *HORIZONS), [levels(first), coverage(first), spread(runs)])


def levels(scored: Scored) -> list[object]:
    """Return the median ratio of forecast and realised volatility by horizon."""
    ratio = np.median(scored.outputs["volatility"] / judge.realised_volatility(scored.data), axis=0)
    return ["median of forecast / realised volatility", *(f"{r:.3f}" for r in ratio)]


def coverage(scored: Scored) -> list[object]:
    """Return the coverage of the intervals by horizon."""
    came = judge.realised_volatility(scored.data)
    inside = ((scored.outputs["lower"] <= came) & (came <= scored.outputs["upper"])).mean(axis=0)
    return ["coverage of the 90 % interval", *(f"{share:.1%}" for share in inside)]


def spread(runs: list[Scored]) -> list[object]:
    """Return mean and standard deviation over the seeds of the ratio to GARCH-t by horizon."""
    made = np.array([[r.ratio("model", "garch_t baseline", h) for h in range(len(HORIZONS))] for r in runs])
    told = (f"{m:.3f} ± {s:.3f}" for m, s in zip(made.mean(axis=0), made.std(axis=0, ddof=1), strict=True))
    return [f"ratio to GARCH-t over {len(runs)} seeds", *told]


def bars_of(name: str, runs: list[Scored], wanted: float) -> list[Bar]:
    """Hold the one-day forecast to the bars of MODELS.md."""
    first = runs[0]
    ratio = float(np.mean([r.ratio("model", "garch_t baseline", 0) for r in runs]))
    ewma = float(np.mean([r.ratio("model", "ewma", 0) for r in runs]))
    p = max(r.p("model", "garch_t baseline", "1_day") for r in runs)
    level = float(np.median(first.outputs["volatility"][:, 0] / judge.realised_volatility(first.data)[:, 0]))
    error = first.error("model", "garch_t baseline", 0)
    alone = first.ratio("log_har", "garch_t baseline", 0)
    reference = f"; {REFERENCE[name]} in MODELS.md" if name in REFERENCE else ""
    return [
        Bar(
            f"QLIKE against GARCH-t, 1 day, {name}",
            f"<= {wanted}",
            f"{ratio:.3f} (mean of {len(runs)} seeds, standard error {error:.3f})",
            ratio <= wanted,
            f"log-HAR alone {alone:.3f}{reference}",
        ),
        Bar(f"Diebold-Mariano against GARCH-t, 1 day, {name}", "p < 0.05", f"p = {p:.2g} (largest of seeds)", p < 0.05),
        Bar(f"QLIKE against EWMA, 1 day, {name}", "<= 0.90", f"{ewma:.3f}", ewma <= 0.9),
        Bar(
            f"median of forecast over realised volatility, 1 day, {name}",
            "0.90 to 1.10",
            f"{level:.3f}",
            abs(level - 1) <= 0.1,
        ),
    ]


def minutes(page: Page, data: Path) -> None:
    """Score NIFTY 50 with variances of 5-minute returns, refitted every quarter or so."""
    made = minute_dataset(data)
    runs = [score(list(minute_splits(made)), Params(seed=seed)) for seed in SEEDS]
    report(page, "NIFTY50, one-minute bars", runs, None)
    page.text(MINUTE_NOTE)
    judged = bars_of("NIFTY50 one-minute", runs, MINUTE_BAR)
    if not judged[0].met:
        judged[0] = replace(judged[0], why=f"{judged[0].why}; {MINUTE_WHY}")
    page.bars += judged


def minute_dataset(data: Path) -> Dataset:
    """Return NIFTY 50's days, with 5-minute realised variances from 2021 on and ranges before."""
    raw = pd.read_parquet(data / MINUTES)
    raw = raw[(raw["symbol"] == "NIFTY") & (raw["session"] == "regular")]
    ends = raw["ts_bar_end"].dt.tz_convert("UTC").dt.tz_localize(None)
    known = daily_bars(raw.assign(entity="NIFTY50", timestamp=ends, volume=0.0), "Asia/Kolkata")
    (_, bars, market) = next(item for item in daily(data) if item[0] == "NIFTY50")
    bars = bars[bars["timestamp"] < MINUTE_END].assign(day=lambda b: b["timestamp"].dt.normalize())
    bars = bars.merge(known.assign(day=known["timestamp"].dt.normalize())[["day", REALISED]], on="day", how="left")
    logs = np.log(bars[["open", "high", "low", "close"]].to_numpy())
    bars[REALISED] = bars[REALISED].fillna(pd.Series(np.append(np.nan, range_variances(logs)), index=bars.index))
    return build_dataset(compute_features(bars, market), bars, tuple(HORIZONS))


def minute_splits(data: Dataset) -> Iterable[Split]:
    """Yield expanding splits whose tests are consecutive blocks after :data:`MINUTE_TEST`; purged by label times."""
    times = np.unique(data.times)
    for block in np.array_split(times[times >= MINUTE_TEST], MINUTE_REFITS):
        held = times[times < block[0]][-MINUTE_VALIDATION]
        train = (data.times < held) & (data.label_times < held)
        validation = (data.times >= held) & (data.label_times < block[0])
        yield data.take(train), data.take(validation), data.take(np.isin(data.times, block))


def join(parts: list[Dataset]) -> Dataset:
    """Return the rows of all parts, one after the other."""

    def whole(arrays: list[npt.NDArray[np.generic]]) -> npt.NDArray[np.generic]:
        return np.concatenate(arrays)

    return Dataset(
        {name: whole([p.inputs[name] for p in parts]) for name in parts[0].inputs},
        {name: whole([p.targets[name] for p in parts]) for name in parts[0].targets},
        np.concatenate([p.times for p in parts]),
        np.concatenate([p.label_times for p in parts]),
        np.concatenate([p.entities for p in parts]),
    )


METHOD = """
The target is the mean daily variance over the next 1, 5 and 21 days: Garman-Klass range plus squared overnight return
(daily bars), or squared overnight return plus subsampled squared 5-minute returns (one-minute bars). It is the same for
every forecast. So that a GARCH of closes is not handicapped by the level of a range, the proxy is multiplied by the
mean squared close-to-close return over the mean proxy, of all days up to the forecast (expanding, known then). A line
tells what GARCH-t reaches when it is given, besides, the constant factor that minimised its own QLIKE on the history.

Three purged walk-forward folds as in the graph; GARCH-t, GJR-t (arch) are fitted by asset on training and validation
rows; EWMA is RiskMetrics 0.94. `garch_t`, `gjr_t`, `log_har`, `xgboost` are the model's members, which see training
rows alone. `volatility` (shown to people) is the median forecast, `variance` (scored by QLIKE) the mean.
Hyper-parameters were chosen by the embedded source (S&P 500, NASDAQ 1999-2018); these files were looked at while the
model was built.
"""

MINUTE_NOTE = """
Before 2021 there are no one-minute bars: there, members learn from daily ranges, and GARCH-t from the same days since
December 2012. Regular sessions only; on 2021-02-24 (exchange outage) the session ends at 10:08 and the extension is
part of the night. Six refits, validation the 250 days before each.
"""

MINUTE_WHY = (
    "most of the days that log-HAR learns from have no one-minute bars, so its weight on the last day is that of the "
    "noisier daily ranges"
)
