"""The plot of scores against raters, and of confidence against frequency."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np

from components.evaluation.plots.score_calibration import MOST_DOTS, score_calibration


def test_the_caption_tells_the_figures_of_the_rows() -> None:
    rng = np.random.default_rng(1)
    actual = rng.uniform(20, 90, 4000)
    score = actual + rng.normal(0, 4, 4000)
    html = score_calibration(actual, score, np.full(4000, 0.75), 5.0)
    right = np.mean(np.abs(actual - score) <= 5)
    assert f"{100 * right:.1f}\u00a0%" in html
    assert "75.0\u00a0%" in html
    assert html.count("h0") <= MOST_DOTS


def test_it_is_well_formed_and_labelled() -> None:
    actual = np.linspace(10, 90, 50)
    html = score_calibration(actual, actual, np.linspace(0.5, 0.9, 50), 5.0)
    svg = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    assert svg.attrib["role"] == "img"
    assert "confidence" in svg.attrib["aria-label"]


def test_too_few_rows_are_not_drawn() -> None:
    few = np.ones(5)
    assert "too few" in score_calibration(few, few, few, 5.0)
