"""The report step: the HTML report, the model card, and the scalars of one training run."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from components.catalog import get_spec
from components.evaluation.card import model_card
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
        backtest=None if spec.judge else pd.read_parquet(backtest),
        bars=pd.read_parquet(bars),
        lineage=asdict(origin),
        verdict=verdict,
        absent=dict.fromkeys(("forecast", "attributions", "drift", "rollout", "serving"), absent),
    )
    build_report(data, page)
    asked = replace(spec, horizons=tuple(told["horizons"]) or spec.horizons)
    text = model_card(asked, told, verdict=verdict, lineage=asdict(origin), version=version)
    card.write_text(text + "\n", encoding="utf-8")
    return headline(told)
