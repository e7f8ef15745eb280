"""The evaluation's plots as one self-contained HTML page."""

from __future__ import annotations

from pathlib import Path

from components.stages.data import read_json
from components.stages.request import Request

INTERVALS = frozenset({"lower", "upper"})


def draw(request: Request, evaluation: Path, backtest: Path, bars: Path, page: Path) -> None:
    """Draw what a model's judge drew; for a forecast what the backtest allows: fans, calibration, residuals."""
    import pandas as pd

    from components.evaluation.plots import markup
    from components.evaluation.plots.calibration import calibration
    from components.evaluation.plots.fan_chart import fan_chart
    from components.evaluation.plots.judgement import judgement
    from components.evaluation.plots.residuals import residuals

    spec = request.spec()
    if spec.judge:
        told = read_json(evaluation)
        page.write_text(markup.page(spec.title, judgement(spec.title, told)), encoding="utf-8")
        return
    table = pd.read_parquet(backtest)
    parts = [f"<h1>{markup.inline(spec.title)}</h1>"]
    if set(table.columns) >= INTERVALS and not table["lower"].isna().all():
        parts.append(fan_chart(table, pd.read_parquet(bars), level=spec.coverage))
        parts.append(calibration(table, spec.coverage))
    parts.append(residuals(table))
    page.write_text(markup.page(spec.title, "\n".join(parts)), encoding="utf-8")
