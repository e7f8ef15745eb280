"""The efficient frontier's plot shows what it is given, escapes it, and says when there is nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest

from components.evaluation.plots.efficient_frontier import efficient_frontier

FRONTIER = np.array([[0.10, 0.04], [0.12, 0.07], [0.2, 0.10]])
PORTFOLIOS = {"chosen": (0.10, 0.04), "current": (0.15, 0.05), "1/N": (0.16, 0.055)}
ASSETS = {"AAPL": (0.3, 0.12), "M&M": (0.22, 0.02), "AAPL2": (0.3005, 0.1201)}


def test_it_draws_the_frontier_the_portfolios_and_every_security() -> None:
    html = efficient_frontier(FRONTIER, PORTFOLIOS, ASSETS, "Two securities.")
    assert len(re.findall("<circle", html)) == len(PORTFOLIOS) + len(ASSETS)
    assert 'class="line c-model"' in html
    for name in ("chosen", "current", "1/N", "AAPL", "M&amp;M"):
        assert f">{name}</text>" in html
    assert "Two securities. The chosen portfolio is expected to have a volatility of 10.0" in html
    assert "15.0\u00a0% of the portfolio held now and 16.0\u00a0% of 1/N." in html


def test_labels_that_would_lie_on_each_other_are_told_by_pointing() -> None:
    html = efficient_frontier(FRONTIER, PORTFOLIOS, ASSETS)
    assert ">AAPL2</text>" not in html
    assert '"t":"AAPL2"' in html


def test_points_to_the_right_are_more_volatile_and_higher_ones_earn_more() -> None:
    html = efficient_frontier(FRONTIER, PORTFOLIOS, {})
    path = re.search(r'class="line c-model" d="M([^"]*)"', html)
    assert path is not None
    points = np.array([[float(v) for v in pair.split()] for pair in path[1].split("L")])
    assert (np.diff(points[:, 0]) > 0).all()
    assert (np.diff(points[:, 1]) < 0).all()


@pytest.mark.parametrize("frontier", [np.empty((0, 2)), np.full((3, 2), np.nan), np.zeros((20, 2))])
def test_without_a_frontier_it_says_so(frontier: np.ndarray) -> None:
    assert "Not in this report" in efficient_frontier(frontier, PORTFOLIOS, ASSETS)
