"""The tuning run as one self-contained HTML page: what came out, trials over time, each hyper-parameter's slice."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from components.evaluation.plots import formats as f
from components.evaluation.plots.markup import badge, figure, inline, page, paragraph, table
from components.evaluation.plots.scale import extent, linear_ticks
from components.evaluation.plots.svg import Canvas, Panel, circle, line, rule, text
from components.tuning.result import Search, Trial, best_so_far, summary
from components.tuning.space import Parameter, Space

COLUMNS, GAP = 3, 76.0
HEIGHT, ROW = 150.0, 236.0
LISTED = 40


def tuning_page(search: Search, title: str) -> str:
    """Return the page.

    Parameters
    ----------
    search : Search
        With at least one scored trial.
    title : str
        Name of the model for people.
    """
    facts = summary(search)
    word = badge("survives", "good") if facts["survives"] else badge("within luck", "warn")
    body = [
        f'<header class="masthead"><h1>Tuning: {inline(title)}</h1></header><main>',
        f'<section><h2>In short</h2><p class="finding">{word} {inline(facts["sentence"])}</p></section>',
        f"<section><h2>Trials over time</h2>{course(search, facts)}</section>",
        f"<section><h2>Hyper-parameters</h2>{slices(search)}</section>",
        f"<section><h2>Best trials</h2>{ranking(search)}</section>",
        f"<section><h2>How it was judged</h2>{paragraph(METHOD)}</section></main>",
    ]
    return page(f"Tuning: {title}", "".join(body))


METHOD = (
    "A score is the model's loss over the naive baseline's on the earlier walk-forward folds; lower is better, below 1 "
    "beats the baseline. The last fold is kept from the search, and the gate judges the tuned model on it alone. Of "
    "the best gain, what the best of as many trials without skill would show is taken off (Bailey and López de Prado "
    "2014, doi:10.3905/jpm.2014.40.5.094), with the noise of a gain estimated from its blocks of time."
)


def course(search: Search, facts: dict[str, Any]) -> str:
    """Every trial's score, the best so far, the default's score, and the score that luck alone would reach."""
    scored = search.scored
    scores = np.array([t.score for t in scored], dtype=np.float64)
    best = np.array(best_so_far(scored))
    numbers = np.array([t.number for t in scored], dtype=np.float64)
    default = float(facts["default_score"])
    luck = default - float(facts["expected_gain_of_luck"])
    # One absurd trial must not flatten the others; it is drawn at the edge.
    high = float(np.quantile(scores, 0.9)) if len(scores) > 4 else float(scores.max())
    low_y, high_y = extent([scores.min(), min(high, scores.max()), default, luck], pad=0.12)
    chart = Canvas(300, "Score of each trial, in the order of the search")
    panel = Panel.at(66, 28, 876, 220, (0.5, max(2.0, numbers.max()) + 0.5), (low_y, high_y))
    ticks = [t for t in linear_ticks(1, max(2.0, numbers.max()), 10) if float(t[0]).is_integer()]
    chart.add(panel.grid(linear_ticks(low_y, high_y, 5), "score"), panel.bottom(ticks, "trial"))
    left, right = panel.x.start, panel.x.stop
    for value, css in ((default, "marker"), (luck, "limit")):
        chart.add(rule(left, panel.y.one(value), right, panel.y.one(value), css))
    chart.add(text(right - 4, panel.y.one(default) - 5, "default", "tick", "end"))
    chart.add(text(right - 4, panel.y.one(luck) + 15, "luck alone", "tick", "end"))
    chart.add(line(panel.x(numbers), panel.y(best), "c-canary"))
    places = zip(panel.x(numbers), panel.y(np.minimum(scores, high_y)), strict=True)
    chart.add(*(circle(x, y, 3.6, "c1") for x, y in places))
    for trial in scored:
        rows = [("score", f.number(trial.score), "c1")]
        rows += [(name, _shown(value), "") for name, value in trial.params.items()]
        chart.point(panel.x.one(trial.number), f"trial {trial.number}", rows)
    failed = f" {f.plural(int(facts['failed_trials']), 'trial')} failed." if facts["failed_trials"] else ""
    reached = f"the best scores {f.number(best[-1])}, the default {f.number(default)}"
    caption = f"{f.plural(len(scored), 'trial')}; {reached}.{failed}"
    note = (
        "Dashed: what the best of as many trials without skill would reach. A best score above it has shown nothing "
        "that luck cannot."
    )
    return figure(chart.render(28, 248), caption, (("c1", "trial"), ("c-canary", "best so far")), note)


def slices(search: Search) -> str:
    """Score against each hyper-parameter; the best trial and the default are marked."""
    space = Space.from_dict(search.space)
    scored = search.scored
    scores = np.array([t.score for t in scored], dtype=np.float64)
    cut = float(np.quantile(scores, 0.9)) if len(scores) > 4 else float(scores.max())
    low, high = extent([scores.min(), min(cut, scores.max()), float(search.default.score or scores.min())], pad=0.12)
    rows = math.ceil(len(space) / COLUMNS)
    chart = Canvas(ROW * rows + 8, "Score against each hyper-parameter")
    width = (960 - GAP * COLUMNS) / COLUMNS
    for place, parameter in enumerate(space.parameters):
        row, column = divmod(place, COLUMNS)
        left, top = GAP - 10 + column * (width + GAP), 34 + row * ROW
        chart.add(*_slice(parameter, search, scores, (left, top, width), (low, high)))
    legend = (("c1", "trial"), ("c-canary", "best"), ("c-base", "default"))
    caption = "Score of the trials against each hyper-parameter (lower is better)."
    return figure(chart.render(), caption, legend, "Scores above the 90th percentile are drawn at the top edge.")


def _slice(
    parameter: Parameter, search: Search, scores: Any, place: tuple[float, float, float], y: tuple[float, float]
) -> list[str]:
    left, top, width = place
    values = np.array([_position(parameter, t) for t in search.scored])
    panel = Panel.at(left, top, width, HEIGHT, _range(parameter), y)
    scored = [(search.default, "hollow", 5.5)] + ([(search.best, "c-canary", 5.5)] if search.best.number else [])
    marks = [
        circle(panel.x.one(_position(parameter, t)), panel.y.one(min(float(t.score or 0.0), y[1])), radius, css)
        for t, css, radius in scored
    ]
    return [
        panel.grid(linear_ticks(*y, 4)),
        text(left, top - 10, f"{f.label(parameter.name)}{' (log)' if parameter.log else ''}", "strong"),
        panel.bottom(_ticks(parameter)),
        *(circle(a, b, 3.2, "c1") for a, b in zip(panel.x(values), panel.y(np.minimum(scores, y[1])), strict=True)),
        *marks,
    ]


def _position(parameter: Parameter, trial: Trial) -> float:
    value = trial.params[parameter.name]
    if parameter.kind == "choice":
        return float(parameter.choices.index(value))
    return math.log10(value) if parameter.log else float(value)


def _range(parameter: Parameter) -> tuple[float, float]:
    if parameter.kind == "choice":
        return -0.5, len(parameter.choices) - 0.5
    low, high = (math.log10(v) if parameter.log else float(v) for v in (parameter.low, parameter.high))
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def _ticks(parameter: Parameter) -> list[tuple[float, str]]:
    if parameter.kind == "choice":
        return [(float(i), str(c)) for i, c in enumerate(parameter.choices)]
    if not parameter.log:
        return linear_ticks(parameter.low, parameter.high, 4)
    middle = math.sqrt(parameter.low * parameter.high)
    return [(math.log10(v), f"{v:.2g}") for v in (parameter.low, middle, parameter.high)]


def ranking(search: Search) -> str:
    """The default and the trials, best first."""
    ordered = sorted(search.scored, key=lambda t: (t.score, t.number))[:LISTED]
    names = list(search.default.params)
    rows = [
        (
            "default" if t.number == 0 else f"trial {t.number}",
            f.number(t.score),
            f.seconds(t.seconds or None),
            *(_shown(t.params.get(name)) for name in names),
        )
        for t in (search.default, *ordered)
    ]
    header = ("", "score", "time", *(f.label(name) for name in names))
    failed = [t for t in search.trials if t.score is None]
    said = "".join(paragraph(f"Trial {t.number} failed: {t.problem}") for t in failed[:5])
    more = f" (first {LISTED} of {len(search.scored)})" if len(search.scored) > LISTED else ""
    return table(f"The default, and the trials from the best{more}", header, rows) + said


def _shown(value: Any) -> str:
    return f.compact(value, 3) if isinstance(value, float) else str(value)
