"""The head of the report: verdict, key figures beside their baselines, disclaimers, and how to get the same again."""

from __future__ import annotations

from components.evaluation.plots import formats as f
from components.evaluation.plots.course import Course
from components.evaluation.plots.markup import badge, facts, inline, missing
from components.evaluation.plots.metrics_table import backtest_table
from components.evaluation.plots.summary import HorizonSummary, summarise
from components.evaluation.plots.svg import esc
from pipelines.report.data import Record, ReportData
from pipelines.report.sections.judgement import tiles as judged_tiles


def masthead(data: ReportData) -> str:
    """Title and verdict."""
    spec = data.spec
    where = f"{spec.room} / {spec.name}" if spec.room else spec.name
    said = verdict(data)
    size = " long" if len(said) > 180 else ""
    return (
        f'<header class="masthead"><p class="eyebrow">Arthaflow model report · {esc(where)}</p>'
        f'<h1>{esc(spec.title)}</h1><p class="lead{size}">{inline(said)}</p>'
        f"{rolled(data)}{byline(data)}{disclaimers(data)}</header>"
    )


def verdict(data: ReportData) -> str:
    """The gate's sentence, or that no gate has judged."""
    if not data.verdict:
        return f"{data.spec.summary} No gate has judged this version in the run that this report describes."
    return str(data.verdict.get("reason") or ("Promoted." if data.verdict.get("promote") else "Not promoted."))


def rolled(data: ReportData) -> str:
    """What came of every version that was rolled out, one line each."""
    lines = []
    for events in data.rollouts:
        if any(event.get("event") == "started" for event in events):
            course = Course.of(events)
            lines.append(f"<li>{badge(*course.ending)}Version {inline(course.version)}. {inline(course.reason)}</li>")
    return f'<ul class="verdicts">{"".join(lines)}</ul>' if lines else ""


def byline(data: ReportData) -> str:
    """Who, when, from what: one line."""
    lineage = data.lineage or {}
    parts = [f"Owner {data.spec.owner}", f"made {data.generated_at}" if data.generated_at else ""]
    for key, word in (("git_commit", "code"), ("data_hash", "data")):
        if lineage.get(key):
            text = str(lineage[key])
            head, plus, dirty = text.partition("+")
            parts.append(f"{word} {head[:12]}{plus}{dirty}")
    return f'<p class="byline">{esc(" · ".join(part for part in parts if part))}</p>'


def disclaimers(data: ReportData) -> str:
    """The spec's disclaimers, prominent."""
    lines = "".join(f"<p>{esc(line)}</p>" for line in data.spec.disclaimers)
    return f'<div class="disclaimer" role="note" aria-label="Disclaimers">{lines}</div>' if lines else ""


def overview(data: ReportData) -> str:
    """Key figures and the way to reproduce them."""
    figures = tiles(data) or missing(data.absent.get("metrics") or "There is no backtest to take key figures from.")
    return (
        '<section id="overview" aria-labelledby="overview-title"><h2 id="overview-title">In short</h2>'
        f"{figures}{reproduce(data)}</section>"
    )


def tiles(data: ReportData) -> str:
    """Key figures of the first horizon and of serving, each beside its baseline; every horizon below them."""
    items = judged_tiles(data) if data.judged else []
    if data.backtest is not None and not data.backtest.empty:
        items += figures(data, summarise(data.backtest, data.spec.coverage)[0])
    seen = data.traffic or {}
    if f.finite(seen.get("requests")) is not None:
        items.append(
            (
                "Requests failed during rollouts",
                f.count(seen.get("failures", 0)),
                f"of {f.count(seen['requests'])} sent; the objective allows {f.percent(data.spec.slo.error_rate, 0)}",
            )
        )
    if f.finite((data.serving or {}).get("p95_ms")) is not None:
        p95 = (data.serving or {})["p95_ms"]
        items.append(("p95 latency, one row", f.milliseconds(p95), f"objective {f.milliseconds(data.spec.slo.p95_ms)}"))
    cells = "".join(
        f'<li><span class="name">{esc(a)}</span><span class="value">{esc(b)}</span><span '
        f'class="versus">{esc(c)}</span></li>'
        for a, b, c in items
    )
    below = (
        backtest_table(data.backtest, data.spec.coverage)
        if data.backtest is not None and not data.backtest.empty
        else ""
    )
    return f'<ul class="tiles">{cells}</ul>{below}' if cells else ""


def figures(data: ReportData, row: HorizonSummary) -> list[tuple[str, str, str]]:
    """Coverage, interval score, error and direction of one horizon, each with what it is to be compared with."""
    name, level = f.horizon(row.horizon), data.spec.coverage
    own: Record = ((data.evaluation or {}).get("horizons") or {}).get(row.horizon) or {}
    rivals: Record = own.get("baselines") or {}
    scored = beside(rivals, "interval_score", 2) or f"random walk {f.percent(row.score_base, 2)}"
    missed = beside(rivals, "rmse", 3) or f"random walk {f.percent(row.rmse_base, 3)}"
    calls = (
        f"of the {f.percent(row.called, 0)} that call one; the commoner direction comes {f.percent(row.constant_call)}"
    )
    tiles = [
        (f"Coverage, {name}", f.percent(row.coverage), f"promised {f.percent(level, 0)}"),
        (f"Interval score, {name}", f.percent(row.score, 2), f"{scored}; of the price, lower is better"),
        (f"Point error (RMSE), {name}", f.percent(row.rmse, 3), f"{missed}; of the price, lower is better"),
        (f"Direction right, {name}", f.percent(row.direction), calls),
    ]
    return [tile for tile in tiles if tile[1] != f.MISSING]


def beside(rivals: Record, key: str, digits: int) -> str:
    """The first baseline and the strongest one, by name."""
    known = {name: value for name, scores in rivals.items() if (value := f.finite(scores.get(key))) is not None}
    if not known:
        return ""
    first, best = next(iter(known)), min(known, key=lambda name: known[name])
    said = f"{f.label(first)} {f.percent(known[first], digits)}"
    return said if known[best] >= known[first] else f"{said}, {f.label(best)} {f.percent(known[best], digits)}"


def reproduce(data: ReportData) -> str:
    """Commands, and the facts that make two runs comparable."""
    lineage = data.lineage or {}
    pairs = [
        (f.label(key), lineage[key])
        for key in ("source", "bar", "until", "seed", "run_id", "feature_service")
        if lineage.get(key)
    ]
    told = facts(pairs) if pairs else ""
    if not data.commands:
        return f"<h3>Reproduce it</h3>{told}{missing(data.absent.get('commands') or 'The run recorded no command.')}"
    lines = esc("\n".join(data.commands))
    return f"<h3>Reproduce it</h3>{told}<pre><code>{lines}</code></pre>"
