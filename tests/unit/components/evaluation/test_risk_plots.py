"""The plots of risk: what they count and where they cut."""

from __future__ import annotations

import re

import numpy as np
from scipy.stats import norm

from components.evaluation.plots.loss_distribution import loss_distribution
from components.evaluation.plots.var_backtest import var_backtest

TIMES = np.arange("2020-01-01", "2020-02-10", dtype="datetime64[D]")


def test_every_breach_is_circled_and_counted() -> None:
    returns = np.zeros(40)
    returns[[3, 17]] = -0.05
    html = var_backtest(TIMES, returns, np.full(40, -0.03), 0.01, "A <portfolio>")
    assert html.count('class="miss"') == 2
    assert "2 breaches in 40 forecasts" in html
    assert "A &lt;portfolio&gt;" in html
    assert "0.4 were expected" in html


def test_without_forecasts_it_says_so() -> None:
    assert "no forecasts" in var_backtest(TIMES[:0], [], [], 0.01)


def test_boxes_have_the_area_of_their_probability() -> None:
    levels = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    html = loss_distribution(levels, 0.04 * norm.ppf(levels), [("VaR 95 %", 0.04 * norm.ppf(0.05))])
    boxes = re.findall(r'<rect class="(c-\w+)" x="[\d.]+" y="[\d.]+" width="([\d.]+)" height="([\d.]+)"', html)
    areas = np.array([float(width) * float(height) for _, width, height in boxes])
    np.testing.assert_allclose(areas / areas.sum(), np.diff(levels) / np.diff(levels).sum(), rtol=0.02)
    assert [css for css, _, _ in boxes] == ["c-bad"] + ["c-model"] * 5


def test_a_box_is_cut_where_the_value_at_risk_lies_in_it() -> None:
    html = loss_distribution([0.01, 0.5, 0.99], [-0.1, 0.0, 0.1], [("VaR 95 %", -0.05)], [("market_fall", -0.12)])
    assert html.count('<rect class="c-bad"') == 1
    assert html.count('<rect class="c-model"') == 2
    assert "market fall" in html
    assert "−12.0" in html


def test_what_does_not_vary_has_no_distribution() -> None:
    assert "does not vary" in loss_distribution([0.1, 0.9], [0.0, 0.0], [])
