"""Scores against what raters gave, and stated confidence against how often it was right."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.evaluation.calibration import reliability
from components.evaluation.metrics import r2
from components.evaluation.plots import formats as f
from components.evaluation.plots.calibration import wilson
from components.evaluation.plots.markup import figure, missing
from components.evaluation.plots.scale import FloatArray, linear_ticks, percent_ticks
from components.evaluation.plots.svg import Canvas, Panel, circle, dots, line, rule

MOST_DOTS = 1500
FEWEST = 20
LEFT, TOP, SIZE, APART = 66.0, 44.0, 370.0, 500.0


def score_calibration(actual: FloatArray, score: FloatArray, confidence: FloatArray, within: float) -> str:
    """Draw scores on the left and confidence on the right.

    Parameters
    ----------
    actual, score : ndarray of shape (rows,)
        Points of 0 to 100.
    confidence : ndarray of shape (rows,)
        Stated probability, decimal, that the two are within ``within`` points.
    within : float
        Points.
    """
    if len(actual) < FEWEST:
        return missing(f"{len(actual)} scores are too few to draw; at least {FEWEST} are.")
    right = np.abs(actual - score) <= within
    told = reliability(confidence, right)
    chart = Canvas(474, f"Scores against the raters' scores, and confidence against frequency, {len(actual)} rows")
    chart.add(*_scatter(actual, score, within), *_reliability(told["bins"]))
    caption = (
        f"R² {f.number(r2(actual, score), 3)} over {f.plural(len(actual), 'score')}; {f.percent(told['frequency'])} "
        f"lie within {within:g} points of the raters', {f.percent(told['mean_probability'])} was stated "
        f"(expected calibration error {f.percent(told['ece'])})."
    )
    note = (
        f"Left: each dot is one portfolio, at most {f.count(MOST_DOTS)} are drawn; between the dashed lines a score "
        "counts as right. Right: equally many rows a dot, with 95 % bounds."
    )
    return figure(
        chart.render(), caption, (("c1", "portfolios"), ("c2", "confidence"), ("c-base", "where they agree")), note
    )


def _scatter(actual: FloatArray, score: FloatArray, within: float) -> list[str]:
    keep = np.unique(np.linspace(0, len(actual) - 1, MOST_DOTS).astype(int))
    panel = Panel.at(LEFT, TOP, SIZE, SIZE, (0, 100), (0, 100))
    ticks = linear_ticks(0, 100, 5)
    ends, inner = np.array([0.0, 100.0]), np.array([0.0, 100.0 - within])
    bands = [line(panel.x(a), panel.y(b), "c1 thin") for a, b in ((inner, inner + within), (inner + within, inner))]
    return [
        panel.grid(ticks, "model's score"),
        dots(panel.x(actual[keep]), panel.y(score[keep]), "c1"),
        line(panel.x(ends), panel.y(ends), "c-base"),
        *bands,
        panel.bottom(ticks, "raters' score"),
    ]


def _reliability(bins: list[dict[str, Any]]) -> list[str]:
    shares = [(b["probability"], b["frequency"], *wilson(b["frequency"], b["rows"])) for b in bins]
    low = max(0.0, min(min(share) for share in shares) - 0.03)
    panel = Panel.at(LEFT + APART, TOP, SIZE, SIZE, (low, 1.0), (low, 1.0))
    ticks = percent_ticks(low, 1.0, 5)
    ends = np.array([low, 1.0])
    parts = [panel.grid(ticks, "how often right"), line(panel.x(ends), panel.y(ends), "c-base")]
    for stated, found, least, most in shares:
        x = panel.x.one(stated)
        parts += [rule(x, panel.y.one(max(least, low)), x, panel.y.one(min(most, 1.0)), "whisker c2")]
        parts += [circle(x, panel.y.one(found), 4.5, "c2")]
    return [*parts, panel.bottom(ticks, "stated confidence")]
