"""A worked example of what a run leaves behind, computed from real prices on the fly: conformal EWMA forecasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from pipelines.report import ReportData

HORIZONS = {"1_day": 1, "5_day": 5, "1_month": 21}
REGIMES = ("low", "medium", "high")
LEVEL = 0.9


def bars() -> pd.DataFrame:
    """Daily bars of both embedded indices."""
    from arch.data import nasdaq, sp500

    frames = []
    for entity, source in (("NASDAQ", nasdaq), ("SP500", sp500)):
        raw = source.load()
        frame = pd.DataFrame(
            {name: raw[name.title()].to_numpy(float) for name in ("open", "high", "low", "close", "volume")}
        )
        frame.insert(0, "timestamp", raw.index + pd.Timedelta(hours=21))
        frame.insert(0, "entity", entity)
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def backtest(prices: pd.DataFrame, start: str = "2010-01-01", folds: int = 5) -> pd.DataFrame:
    """Forecasts of each close from ``start``: width from past volatility, quantiles from past scores only."""
    parts = [_one(entity, frame, start, folds) for entity, frame in prices.groupby("entity")]
    return pd.concat(parts, ignore_index=True)


def _one(entity: str, frame: pd.DataFrame, start: str, folds: int) -> pd.DataFrame:
    close = frame["close"].to_numpy()
    time = frame["timestamp"].to_numpy()
    returns = np.diff(np.log(close), prepend=np.log(close[0]))
    scale = np.sqrt(pd.Series(returns**2).ewm(alpha=0.06).mean().to_numpy()) + 1e-4
    first = int(np.searchsorted(time, np.datetime64(start)))
    cuts = np.quantile(scale[:first], [1 / 3, 2 / 3])
    out = []
    for name, steps in HORIZONS.items():
        rows = np.arange(first, len(close) - steps)
        past = np.arange(100, first - steps)
        score = np.abs(np.log(close[past + steps] / close[past]))
        drift = float(np.mean(np.log(close[past + steps] / close[past])))
        wide, plain = np.quantile(score / scale[past], LEVEL), np.quantile(score, LEVEL)
        point = close[rows] * np.exp(drift)
        out.append(
            pd.DataFrame(
                {
                    "time": time[rows],
                    "entity": entity,
                    "horizon": name,
                    "fold": np.minimum(folds - 1, (rows - first) * folds // (len(close) - first)),
                    "current": close[rows],
                    "actual": close[rows + steps],
                    "point": point,
                    "lower": point * np.exp(-wide * scale[rows]),
                    "upper": point * np.exp(wide * scale[rows]),
                    "rw_lower": close[rows] * np.exp(-plain),
                    "rw_upper": close[rows] * np.exp(plain),
                    "regime": np.array(REGIMES)[np.searchsorted(cuts, scale[rows])],
                }
            )
        )
    return pd.concat(out, ignore_index=True)


def forecast(table: pd.DataFrame, entity: str = "SP500") -> dict[str, Any]:
    """The latest forecast in document 0's shape."""
    own = table[table["entity"] == entity]
    origin = own.groupby("horizon")["time"].max().min()  # the last origin that every horizon has
    last = own[own["time"] == origin].set_index("horizon")
    current = float(last["current"].iloc[0])
    return {
        "security_id": entity,
        "current_price": current,
        "predictions": {
            name: {
                "price": round(float(last["point"][name]), 2),
                "confidence_interval": [round(float(last["lower"][name]), 2), round(float(last["upper"][name]), 2)],
                "confidence": LEVEL,
                "direction": "up" if last["point"][name] > current else "down",
            }
            for name in HORIZONS
        },
        "risk_assessment": {"volatility_forecast": 18.5, "max_expected_drawdown": 8.2, "var_95": -5.3},
        "model_version": "1",
        "generated_at": str(last["time"].max()),
    }


def samples(prices: pd.DataFrame, rows: int = 400) -> dict[str, dict[str, np.ndarray[Any, Any]]]:
    """Watched columns of the S&P 500: training rows, recent rows, and the recent rows with tripled returns."""
    close = prices[prices["entity"] == "SP500"]["close"].to_numpy()
    change = np.diff(np.log(close))
    volatility = pd.Series(change).rolling(21).std().to_numpy() * np.sqrt(252)
    rng = np.random.default_rng(7)
    known = np.arange(60, len(change))
    past, recent = rng.choice(known, 1000, replace=False), rng.choice(known, rows, replace=False)
    calm = [rng.beta(4, shape, size) * 100 for shape, size in ((3.4, 1000), (3.4, rows), (3.6, rows))]
    return {
        "features.price_change": _three(change[past], change[recent], 3 * change[recent]),
        "features.volatility_21": _three(volatility[past], volatility[recent], 3 * volatility[recent]),
        "features.rsi_14": _three(*calm),
    }


def _three(reference: Any, before: Any, after: Any) -> dict[str, Any]:
    return {"reference": reference, "before": before, "after": after}


def drift(sets: Mapping[str, Mapping[str, Any]], when: str) -> dict[str, Any]:
    """Judge a window with the detector's own judge."""
    from components.models.spec import DriftSpec
    from inference.drift.judge import judge

    reference, window = (np.column_stack([column[name] for column in sets.values()]) for name in ("reference", when))
    return judge(DriftSpec(detectors=("ks", "psi", "mmd")), reference, window, tuple(sets)).to_dict()


def rollout(version: str, slow: float = 1.0, failing: float = 0.0, seed: int = 3) -> list[dict[str, Any]]:
    """A rollout by the real engine and judge over a simulated clock and target."""
    from components.rollout.engine import run_rollout
    from components.rollout.history import History
    from components.rollout.plan import Limits, RolloutPlan

    target = _Target(slow, failing, seed)
    plan = RolloutPlan(soak_s=8, interval_s=2, max_wait_s=60, limits=Limits(tolerance=0.5))
    with TemporaryDirectory() as folder:
        history = History(Path(folder, "history.jsonl"))
        run_rollout(target, plan, version=version, artifact="memory", history=history, clock=target)
        return history.events


class _Target:
    """Two versions that answer from a random generator, and the clock they live in."""

    model = "price_forecast"

    def __init__(self, slow: float, failing: float, seed: int) -> None:
        self.slow, self.failing, self.rng = slow, failing, np.random.default_rng(seed)
        self.stable_version, self.canary_version, self.weight, self.time = "1", "", 0, 1_760_000_000.0
        self.rows: list[Any] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        from components.rollout.metrics import RequestRow

        for offset in np.sort(self.rng.uniform(0, seconds, self.rng.poisson(60 * seconds))):
            canary = self.rng.uniform() < self.weight / 100
            latency = self.rng.gamma(6, 1.1) * (self.slow if canary else 1.0)
            status = 500 if canary and self.rng.uniform() < self.failing else 200
            track, version = ("canary", self.canary_version) if canary else ("stable", self.stable_version)
            self.rows.append(
                RequestRow(self.time + offset, track, version, status, latency, 2500 + self.rng.normal(0, 20))
            )
        self.time += seconds

    def deploy_canary(self, version: str, artifact: str) -> None:
        self.canary_version = version

    def set_canary_weight(self, percent: int) -> None:
        self.weight = percent

    def window(self, version: str, since: float, until: float) -> Any:
        from components.rollout.metrics import summarise

        return summarise([r for r in self.rows if since <= r.time <= until], version)

    def promote(self, announce: Callable[[], None]) -> None:
        announce()
        self.stable_version, self.canary_version, self.weight = self.canary_version, "", 0

    def rollback(self) -> None:
        self.canary_version, self.weight = "", 0


def explanation() -> dict[str, Any]:
    """An attribution answer whose parts add up."""
    parts = [
        ("close", 2506.85, 61.3, "index points"),
        ("volatility_21", 0.31, -9.4, "annualised decimal"),
        ("rsi_14", 41.2, -3.1, ""),
        ("sma_21", 2590.1, 12.2, "index points"),
        ("vix", 25.4, -2.2, "index points"),
        ("price_change", 0.0085, 1.1, "decimal"),
    ]
    parts += [(f"lag_{k}", 0.001 * k, 0.3 / k, "decimal") for k in range(1, 9)]
    base = 2440.0
    return {
        "method": "kernel_shap",
        "output": "price.1_day",
        "unit": "index points",
        "why": "price.1_day is above the usual.",
        "base_value": base,
        "prediction": base + sum(p[2] for p in parts),
        "attributions": [dict(zip(("feature", "value", "attribution", "unit"), p, strict=True)) for p in parts],
    }


def report_data() -> ReportData:
    """Everything at once."""
    from components.catalog import get_spec

    prices = bars()
    table, sets = backtest(prices), samples(prices)
    return ReportData(
        spec=get_spec("price_forecast"),
        generated_at="2026-11-21 11:00 UTC",
        commands=("make demo", "arthaflow run price_forecast --source embedded --bar 1d"),
        backtest=table,
        bars=prices,
        forecast=forecast(table),
        explanations=(
            explanation(),
            {
                "method": "anchor_tabular",
                "anchor": ["close > 2,400.1", "vix <= 26.0"],
                "precision": 0.97,
                "coverage": 0.18,
                "class": "up",
                "reached": True,
            },
        ),
        drift_before=drift(sets, "before"),
        drift_after=drift(sets, "after"),
        drift_samples=sets,
        drift_simulation="The returns of the recent rows are multiplied by three, and their volatility with them.",
        rollouts=(rollout("2"), rollout("3", slow=8.0, failing=0.12)),
        traffic={"requests": 4210, "failures": 0, "p95_ms": 14.2},
        lineage={
            "run_id": "example",
            "data_hash": "9f" * 32,
            "git_commit": "ab" * 20 + "+dirty",
            "seed": "7",
            "source": "embedded",
            "libraries": "numpy==1.26 " * 12,
        },
        verdict={
            "promote": True,
            "reason": "Promoted: the interval score beats the random walk's by 4.1 % (p < 0.001).",
            "checks": [],
        },
        serving={"ready_seconds": 2.1, "p50_ms": 0.9, "p95_ms": 2.2, "memory_mb": 187.0},
        timings={"ingest": 0.8, "features": 4.2, "train": 61.0, "evaluate": 7.5, "rollouts": 44.0},
        notes=("This example trains no model.",),
    )
