"""The volatility cone and the course of forecasts: right figures, escaped text, a reason where nothing can be drawn."""

from __future__ import annotations

import re

import numpy as np

from components.evaluation.plots.volatility_cone import forecast_against_realised, volatility_cone

RNG = np.random.default_rng(2)
HOSTILE = "<script>alert(1)</script>"


def draw(variances: np.ndarray, entity: str = "SP500") -> str:
    forecast = np.array([12.0, 13.5, 15.0])
    return volatility_cone(
        variances, (1, 5, 21), forecast, forecast - 4, forecast + 6, entity, np.datetime64("2018-12-31")
    )


def test_the_cone_tells_its_figures() -> None:
    html = draw(np.full(400, 0.2**2 / 252))
    assert "15.0 % a year is forecast for the next 21 days" in html
    assert "it was 20.0 % in the median of 400 past days" in html
    assert html.count("whisker c-model") == 3
    assert "31 Dec 2018" in html


def test_the_cone_narrows_with_the_horizon() -> None:
    html = draw(RNG.gamma(2, 1e-4, 2000))
    bands = [part.split('"')[0] for part in html.split('class="area c-base" d="')[1:]]
    heights = []
    for path in bands:
        ys = [float(y) for _, y in re.findall(r"([\d.]+) ([\d.]+)", path)]
        half = len(ys) // 2
        heights.append((ys[-1] - ys[0], ys[half] - ys[half - 1]))
    assert all(first > last > 0 for first, last in heights)


def test_lengths_beyond_the_history_are_left_out() -> None:
    assert ">63<" not in draw(np.full(60, 1e-4))
    assert ">63<" in draw(np.full(400, 1e-4))


def test_names_are_escaped() -> None:
    assert HOSTILE not in draw(np.full(400, 1e-4), HOSTILE)


def test_a_history_of_a_day_is_no_cone() -> None:
    assert "too few for a cone" in draw(np.full(1, 1e-4))


def test_the_course_tells_coverage_and_level() -> None:
    times = np.arange("2020-01-01", "2020-04-10", dtype="datetime64[D]")
    realised = np.full(100, 10.0)
    forecast = np.full(100, 12.0)
    upper = np.where(np.arange(100) < 90, 14.0, 13.0)
    lower = np.where(np.arange(100) < 90, 9.0, 11.0)
    html = forecast_against_realised(times, forecast, lower, upper, realised, "NIFTY", "1_month")
    assert "90.0\u00a0% of 100 outcomes are inside" in html
    assert "1.20 times realised volatility in the median" in html


def test_one_forecast_is_no_course() -> None:
    one = np.ones(1)
    assert "not two forecasts" in forecast_against_realised(
        np.array(["2020-01-01"], "datetime64[D]"), one, one, one, one
    )
