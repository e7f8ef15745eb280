"""The evaluation of a model that has a judge."""

from __future__ import annotations

from components.evaluation.plots import formats as f
from components.evaluation.plots.judgement import claims, losses, plots
from pipelines.report.data import ReportData
from pipelines.report.section import Section


def judgement(data: ReportData) -> Section:
    """Loss against the baselines, and the claims."""
    told = data.evaluation or {}
    finding = (
        "The loss is the model's own proper score; each baseline answers the same questions, and a test says whether "
        "the difference is more than luck."
    )
    title = "How good it is, against what it has to beat"
    return Section("metrics", "Metrics", title, finding, losses(told) + claims(told))


def drawn(data: ReportData) -> Section:
    """What the judge drew."""
    told = data.evaluation or {}
    body = plots(told) or "<p>The judge of this model draws nothing.</p>"
    return Section(
        "plots", "Plots", "What it looks like", "Out-of-sample answers unless a caption says otherwise.", body
    )


def tiles(data: ReportData) -> list[tuple[str, str, str]]:
    """The loss and every claim that a test decides, each with what it is to be compared with."""
    told = (data.evaluation or {})["judged"]
    first = told["baselines"][told["baseline"]]
    own = (told["name"], f.number(told["loss"], 4), f"{f.label(told['baseline'])} {f.number(first['loss'], 4)}")
    held = [claim for claim in told["claims"] if claim["passed"] is not None]
    kept = sum(bool(claim["passed"]) for claim in held)
    return [own, ("Claims that hold", f"{kept} of {len(held)}", "each tested out of sample; see below")]


def shortfalls(data: ReportData) -> list[str]:
    """Claims that do not hold and baselines that are not beaten, one sentence each."""
    told = (data.evaluation or {})["judged"]
    lost = [
        f"Its loss is not significantly below that of {f.label(name)} ({f.p_value(rival['test']['p_value'])})."
        for name, rival in told["baselines"].items()
        if rival["test"]["p_value"] is None or rival["test"]["p_value"] >= data.spec.gate.alpha
    ]
    return lost + [f"{f.label(c['name'])}: {c['detail']}" for c in told["claims"] if c["passed"] is False]
