"""The report step: the HTML report, the model card, and the scalars of one training run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.catalog import get_spec
from components.models.spec import ModelSpec
from components.registry.lineage import Lineage
from components.stages.data import read_json
from components.stages.learning import headline


def report(
    model: str,
    version: str,
    bars: Path,
    evaluation: Path,
    backtest: Path,
    decision: Path,
    lineage: Path,
    page: Path,
    card: Path,
) -> dict[str, float]:
    """Write the report and the card; return the scalars.

    Parameters
    ----------
    version : str
        Registered version; empty when the gate refused.
    """
    import pandas as pd

    from pipelines.report import ReportData
    from pipelines.report.build import build_report

    spec, told, verdict, origin = get_spec(model), read_json(evaluation), read_json(decision), Lineage.read(lineage)
    absent = "This page was made by the training graph; nothing is served yet."
    data = ReportData(
        spec=spec,
        generated_at=datetime.now(UTC).isoformat(timespec="seconds"),
        commands=(f"arthaflow run {model}",),
        evaluation=told,
        backtest=pd.read_parquet(backtest),
        bars=pd.read_parquet(bars),
        lineage=asdict(origin),
        verdict=verdict,
        absent=dict.fromkeys(("forecast", "attributions", "drift", "rollout", "serving"), absent),
    )
    build_report(data, page)
    card.write_text(model_card(spec, version, told, verdict, origin), encoding="utf-8")
    return headline(told)


def model_card(
    spec: ModelSpec, version: str, evaluation: Mapping[str, Any], decision: Mapping[str, Any], lineage: Lineage
) -> str:
    """Return the model card as Markdown."""
    word = f"registered as version {version}" if version else "not registered"
    lines = [
        f"# {spec.title}",
        "",
        f"{spec.summary}",
        "",
        f"**{decision['reason']}** It was {word}.",
        "",
        "| fact | value |",
        "|---|---|",
        f"| owner | {spec.owner} |",
        f"| data | {lineage.source}, bars of {lineage.bar}; licence: {spec.data_licence} |",
        *(f"| {name.replace('_', ' ')} | `{value}` |" for name, value in asdict(lineage).items() if value),
        "",
        "| metric | value |",
        "|---|---|",
        *(f"| {name} | {value:.6g} |" for name, value in headline(evaluation).items()),
        "",
        *(f"> {text}" for text in spec.disclaimers),
    ]
    return "\n".join(lines) + "\n"
