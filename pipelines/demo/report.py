"""Fills the report with what the demo measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.features.definitions import NAMES
from components.registry import versions
from components.stages.data import read_json
from pipelines.demo.traffic import SIMULATION, Rows
from pipelines.report import ReportData, build_report

if TYPE_CHECKING:
    from pipelines.demo.run import DemoResult

NOTES = (
    "Traffic replays the last two years' rows spread evenly, not in their order: days in a row are no fair sample.",
    "Before 2014 the embedded VIX is a proxy: the volatility of the S&P 500, in percent.",
    "The regime change and the bad version 3 are simulated, and say so; prices, requests and rollouts are real.",
    "The embedded prices end on 2018-12-31: the data ship inside a package and are for evaluation.",
)


def write_report(result: DemoResult) -> Path:
    """Write ``report.html`` into the demo's home and return its path."""
    import pandas as pd

    second = result.second
    decision = read_json(second.decision)
    data = ReportData(
        spec=result.spec,
        commands=("make demo", "make demo KEEP=1", "arthaflow run price_forecast"),
        evaluation=read_json(second.evaluation),
        backtest=pd.read_parquet(second.backtest),
        bars=pd.read_parquet(second.bars),
        forecast=result.forecast,
        explanations=result.explanations,
        drift_before=result.drift_before,
        drift_after=result.drift_after,
        drift_samples=_samples(result),
        drift_simulation=SIMULATION,
        rollouts=[result.promoted.events, result.rolled_back.events],
        traffic={
            "requests": result.traffic.sent,
            "failures": result.traffic.failed,
            "p50_ms": result.traffic.p50_ms,
            "p95_ms": result.traffic.p95_ms,
            "p99_ms": result.traffic.p99_ms,
        },
        lineage=read_json(second.lineage),
        verdict=decision,
        versions=versions.story(result.spec.name),
        serving={
            "ready_seconds": result.ready_s,
            "requests": result.traffic.sent,
            "p50_ms": result.traffic.p50_ms,
            "p95_ms": result.traffic.p95_ms,
        },
        timings=result.timings,
        quality=second.metrics.get("validate"),
        notes=(*NOTES, f"Every answer of the live traffic is in the prediction log: {result.trail.sentence}"),
    )
    return build_report(data, result.home / "report.html")


def _samples(result: DemoResult) -> dict[str, dict[str, list[float]]]:
    from components.data.dataset import Dataset

    reference = Dataset.read(result.second.artifact / "model" / "reference.parquet").inputs
    watched = [path.split(".")[1] for path in result.spec.drift.columns]
    sources: Mapping[str, Rows] = {"reference": reference, "before": result.before, "after": result.after}
    return {
        f"features.{column}": {
            name: rows["features"][:, NAMES.index(column)].tolist() for name, rows in sources.items()
        }
        for column in watched
    }
