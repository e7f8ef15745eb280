"""Equity curves: what is drawn is what was earned."""

import numpy as np

from components.evaluation.plots.equity_curves import equity_curves

TIMES = np.arange("2015-01-01", "2018-01-01", np.timedelta64(30, "D"), dtype="datetime64[D]")


def steady(rate: float) -> np.ndarray:
    return np.exp(rate * np.arange(len(TIMES)))


def path_of(html: str, css: str) -> np.ndarray:
    data = html.split(f'<path class="line {css}" d="M')[1].split('"')[0]
    return np.array([pair.split() for pair in data.split("L")], dtype=float)


def test_steady_growth_is_a_straight_line_where_values_grow_much() -> None:
    html = equity_curves(TIMES, {"auto-invest": steady(0.05), "1/N": steady(0.04)}, {})
    heights = path_of(html, "c-model")[:, 1]
    assert "equal distances are equal ratios" in html
    assert np.ptp(np.diff(heights)) < 0.25
    assert heights[-1] < path_of(html, "c-base")[-1, 1], "more money is higher up"


def test_the_caption_tells_ends_and_falls() -> None:
    values = np.ones(len(TIMES))
    values[3:], values[10:] = 0.8, 1.2
    html = equity_curves(TIMES, {"ours": values, "1/N": np.ones(len(TIMES))}, {})
    assert "ours 1.20 (largest fall 20.0\u00a0%)" in html
    assert "1/N 1.00 (largest fall 0.0\u00a0%)" in html


def test_bands_and_names_are_drawn_and_escaped() -> None:
    values = steady(0.01)
    html = equity_curves(TIMES, {"<b>": values}, {"<b>": (0.9 * values, 1.1 * values)}, "10 % to 90 % of seeds")
    assert "&lt;b&gt;" in html
    assert "<b>" not in html
    assert html.count('class="area c-model"') == 1
    assert "10 % to 90 % of seeds" in html


def test_nothing_to_draw_is_said() -> None:
    assert "fewer than two times" in equity_curves(TIMES[:1], {"ours": np.ones(1)}, {})
    assert "lost everything" in equity_curves(TIMES, {"ours": np.linspace(1, 0, len(TIMES))}, {})
