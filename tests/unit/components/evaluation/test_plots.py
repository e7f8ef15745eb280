"""Plots: right figures, escaped text, and a reason in place of what cannot be drawn."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.evaluation import plots
from components.evaluation.plots import formats as f
from components.evaluation.plots.calibration import effective, inside, wilson
from components.evaluation.plots.course import Course, p95, rates, split_rollouts
from components.evaluation.plots.explorer import collect
from components.evaluation.plots.horizons import order_horizons
from components.evaluation.plots.metrics_table import backtest_table
from components.evaluation.plots.residuals import autocorrelation
from components.evaluation.plots.scale import linear_ticks, percent_ticks, time_ticks
from components.evaluation.plots.summary import interval_score, summarise
from components.evaluation.plots.svg import json_block
from tests.support import report_example as example

HOSTILE = "<img src=x onerror=alert(1)>\"'&</script><script>alert(2)</script>"
VOID = {"meta", "input", "img", "br"}


class Balanced(HTMLParser):
    """Fails on a tag that is not closed, and collects the tags."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> without an opening tag"
        assert self.open.pop() == tag


def tags(html: str) -> list[str]:
    parser = Balanced()
    parser.feed(html)
    parser.close()
    assert parser.open == []
    return parser.seen


@pytest.fixture(scope="module")
def bars() -> pd.DataFrame:
    return example.bars()


@pytest.fixture(scope="module")
def backtest(bars: pd.DataFrame) -> pd.DataFrame:
    return example.backtest(bars, start="2016-01-01")


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (f.number(1234.5678), "1,235"),
        (f.number(-0.000123), "−0.0001230"),
        (f.compact(0.5), "0.5"),
        (f.compact(100.0), "100"),
        (f.number(float("nan")), "–"),
        (f.number(0), "0"),
        (f.percent(0.0531), "5.3\u00a0%"),
        (f.percent(-0.02, 0, signed=True), "−2\u00a0%"),
        (f.p_value(0.00001), "p\u00a0<\u00a00.001"),
        (f.p_value(None), "p –"),
        (f.seconds(250), "4\u00a0min 10\u00a0s"),
        (f.milliseconds(0.417), "0.42\u00a0ms"),
        (f.horizon("5_day"), "5 days"),
        (f.horizon("1_month"), "1 month"),
        (f.price(2506.85), "2,506.85"),
        (f.date("2018-12-31T21:00"), "31 Dec 2018"),
    ],
)
def test_numbers_are_shown_as_people_read_them(shown: str, wanted: str) -> None:
    assert shown == wanted


def test_tick_labels_equal_their_values() -> None:
    for low, high in ((0, 1), (-0.05, 0.05), (2300, 3100), (0.861, 0.9), (0, 0.0004)):
        for value, label in linear_ticks(low, high):
            assert float(label.replace("−", "-").replace(",", "")) == pytest.approx(value, abs=1e-9)
        for value, label in percent_ticks(low, high):
            assert float(label[:-2].replace("−", "-").replace(",", "")) == pytest.approx(100 * value, abs=1e-9)


@pytest.mark.parametrize("days", [0.02, 0.5, 3, 30, 200, 1500, 9000])
def test_time_ticks_lie_inside_and_are_neither_few_nor_many(days: float) -> None:
    low = pd.Timestamp("2018-03-05 14:30").timestamp()
    ticks = time_ticks(low, low + days * 86_400)
    assert 2 <= len(ticks) <= 16
    assert all(low <= t <= low + days * 86_400 for t, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)


def test_horizons_are_ordered_by_length() -> None:
    assert order_horizons(["1_month", "1_day", "next_bar", "5_day", "strange"])[-3:] == ["5_day", "1_month", "strange"]


def test_summary_equals_a_calculation_by_hand() -> None:
    table = pd.DataFrame(
        {
            "horizon": "1_day",
            "entity": "A",
            "time": pd.date_range("2020", periods=4),
            "regime": "low",
            "current": [100.0] * 4,
            "actual": [101, 99, 104, 100],
            "point": [101, 101, 100, 102],
            "lower": [98.0] * 4,
            "upper": [102.0] * 4,
            "rw_lower": [90.0] * 4,
            "rw_upper": [110.0] * 4,
        }
    )
    row = summarise(table, 0.9)[0]
    assert row.coverage == 0.75
    assert row.rmse == pytest.approx(np.sqrt((0 + 4 + 16 + 4) / 4) / 100)
    assert row.rmse_base == pytest.approx(np.sqrt((1 + 1 + 16 + 0) / 4) / 100)
    assert row.score == pytest.approx((4 + 20 * 2 / 4) / 100)
    assert row.score_base == pytest.approx(0.2)
    assert (row.called, row.direction, row.up_rate) == pytest.approx((2 / 3, 1 / 2, 2 / 3))
    assert "75.0" in backtest_table(table, 0.9)
    one = interval_score(np.array([1.0]), np.array([2.0]), np.array([2.5]), 0.9)
    assert one[0] == pytest.approx(1 + 20 * 0.5)


def test_wilson_bounds_and_overlap() -> None:
    low, high = wilson(0.9, 100)
    assert (low, high) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert effective(2100, "1_month") == 100
    assert effective(2100, "1_day") == 2100


def test_calibration_shows_the_coverage_of_the_backtest(backtest: pd.DataFrame) -> None:
    html = plots.calibration(backtest)
    for name in example.HORIZONS:
        share = float(inside(backtest[backtest["horizon"] == name]).mean())
        assert f.percent(share) in html
    assert tags(html).count("figure") == 3


def test_fan_counts_the_hits_that_it_draws(backtest: pd.DataFrame, bars: pd.DataFrame) -> None:
    html = plots.fan_chart(backtest, bars, "SP500")
    hits, misses = html.count('<circle class="hit"'), html.count('<circle class="miss"')
    said = re.search(r"(\d+) of the (\d+) intervals", html)
    assert said is not None
    assert (int(said[1]), int(said[2])) == (hits, hits + misses)
    assert hits + misses >= 30
    assert "figure" in tags(html)


def test_explorer_holds_what_the_backtest_holds(backtest: pd.DataFrame, bars: pd.DataFrame) -> None:
    own, close = (t[t["entity"] == "SP500"] for t in (backtest, bars))
    data = collect(own, close)
    at, *numbers = data["origins"][data["surprise"]]
    day = pd.Timestamp(int(data["days"][at]) * 86_400, unit="s")
    rows = own[own["time"].dt.normalize() == day].set_index("horizon")
    expected = [
        rows.loc[h, kind] for h in ("1_day", "5_day", "1_month") for kind in ("point", "lower", "upper", "actual")
    ]
    assert numbers == pytest.approx(expected, abs=0.006)
    assert data["closes"][at] == pytest.approx(rows.loc["1_day", "current"], abs=0.006)
    assert len(data["origins"]) <= 600


def test_residuals_and_their_autocorrelation(backtest: pd.DataFrame) -> None:
    assert tags(plots.residuals(backtest, "SP500")).count("figure") == 2
    alternating = np.array([1.0, -1.0] * 50)
    assert autocorrelation(alternating, 2) == pytest.approx([-0.99, 0.98])


def test_hostile_names_stay_text(backtest: pd.DataFrame, bars: pd.DataFrame) -> None:
    evil_bars, evil = (t[t["entity"] == "SP500"].assign(entity=HOSTILE) for t in (bars, backtest))
    evil = evil.assign(regime=HOSTILE)
    explanation = {
        "method": HOSTILE,
        "output": HOSTILE,
        "unit": HOSTILE,
        "why": HOSTILE,
        "base_value": 1.0,
        "prediction": 3.0,
        "attributions": [{"feature": HOSTILE, "value": HOSTILE, "attribution": 2.0, "unit": HOSTILE}],
        "anchor": [HOSTILE],
        "class": HOSTILE,
        "class_definition": HOSTILE,
        "precision": 1,
        "coverage": 1,
    }
    result = {
        "detector": HOSTILE,
        "column": HOSTILE,
        "statistic": 2.0,
        "threshold": 1.0,
        "p_value": 0.01,
        "drift": True,
    }
    found = {"outcome": HOSTILE, "sentence": HOSTILE, "results": [result]}
    events = example.rollout("2")
    renamed = [{**event, "version": HOSTILE, "reason": HOSTILE} for event in events]
    scores = {"rmse": 0.1, "baselines": {HOSTILE: {"rmse": 0.2}}}
    evaluation = {
        "horizons": {HOSTILE: scores},
        "by_regime": {HOSTILE: {HOSTILE: scores}},
        "tests": {HOSTILE: {HOSTILE: {"p_value": 0.1, "verdict": HOSTILE}}},
        "folds": [{"fold": HOSTILE, "weights": {HOSTILE: [1.0]}}],
        "production": {"compared": False, "reason": HOSTILE},
    }
    html = "".join(
        [
            plots.fan_chart(evil, evil_bars),
            plots.fan_explorer(evil, evil_bars),
            plots.calibration(evil),
            plots.residuals(evil),
            plots.attributions(explanation),
            plots.canary_course(renamed),
            plots.drift(found, found, {HOSTILE: {"reference": [1.0, 2.0], "after": [3.0]}}),
            plots.metrics_table(evaluation),
        ]
    )
    seen = tags(html)
    assert "img" not in seen
    assert "<script>alert" not in html
    assert set(re.findall(r"<script[^>]*>", html)) <= {
        '<script type="application/json" class="hover">',
        '<script type="application/json" class="explorer">',
    }


def test_json_in_a_page_cannot_close_its_element() -> None:
    block = json_block({"a": HOSTILE}, "hover")
    assert block.count("</script>") == 1
    assert json.loads(re.sub(r"</?script[^>]*>", "", block)) == {"a": HOSTILE}


def test_waterfall_names_what_was_not_attributed() -> None:
    one = [{"feature": "a", "value": 1.0, "attribution": 1.0, "unit": ""}]
    assert "not attributed" in plots.attributions({"attributions": one, "base_value": 0.0, "prediction": 3.0})
    assert "not attributed" not in plots.attributions({"attributions": one, "base_value": 2.0, "prediction": 3.0})
    assert "not attributed" not in plots.attributions(example.explanation())


def test_empty_and_point_only_data_give_a_reason(backtest: pd.DataFrame, bars: pd.DataFrame) -> None:
    none = backtest.iloc[:0]
    blind = backtest.assign(lower=np.nan, upper=np.nan, rw_lower=np.nan, rw_upper=np.nan)
    for html in (
        plots.fan_chart(none, bars),
        plots.fan_chart(backtest, bars.iloc[:0]),
        plots.fan_chart(blind, bars),
        plots.calibration(none),
        plots.calibration(blind),
        plots.residuals(none),
        plots.residuals(backtest.head(3)),
        plots.attributions({}),
        plots.drift(None, None),
        plots.canary_course([]),
        plots.metrics_table({}),
        plots.forecast_chart({}, bars),
    ):
        assert 'class="absent"' in html
        tags(html)
    assert summarise(blind, 0.9)[0].coverage != summarise(blind, 0.9)[0].coverage
    assert plots.fan_explorer(none, bars) == ""


def test_insufficient_drift_is_said_in_words() -> None:
    sets = example.samples(example.bars(), rows=10)
    html = plots.drift(example.drift(sets, "before"), example.drift(sets, "after"), sets)
    assert html.count("not enough data to judge") == 2
    assert "No judgement yet" in html


def test_a_course_is_read_from_the_engines_own_events() -> None:
    events = example.rollout("3", slow=8.0, failing=0.12)
    course = Course.of(events)
    assert course.ending[0] == "rolled back"
    assert course.weights[-1][1] == 0.0
    judged = [event for event in events if event["event"] == "judged"]
    assert [look.reason for look in course.looks] == [event["judgement"]["reason"] for event in judged]
    seconds = [
        look.at - (before.at if before else look.since)
        for look, before in zip(course.looks, [None, *course.looks], strict=False)
    ]
    served = sum(rate * span for rate, span in zip(rates(course.looks, "canary"), seconds, strict=True))
    assert served == pytest.approx(judged[-1]["canary"]["requests"])
    html = plots.canary_course(events)
    assert course.reason in html or course.reason.replace("'", "&#x27;") in html
    assert "rolled back" in html
    tags(html)


def test_a_history_of_several_rollouts_is_cut_where_each_starts() -> None:
    first, second = example.rollout("2"), example.rollout("3", failing=0.3)
    recovered: dict[str, Any] = {"event": "recovered", "time": 0.0}
    parts = split_rollouts([*first, recovered, *second])
    assert [len(part) for part in parts] == [len(first), len(second) + 1]


def test_p95_is_the_nearest_rank() -> None:
    assert p95({"latencies_ms": [float(v) for v in range(1, 101)]}) == 95.0
    assert np.isnan(p95({"latencies_ms": []}))


def test_members_and_tests_stand_in_words() -> None:
    own = {"rmse": 0.01, "mape": 0.6, "baselines": {"random_walk": {"rmse": 0.02}}}
    found = {
        name: {"p_value": p, "verdict": "said"} for name, p in (("a", 0.001), ("b", 0.4), ("c", 0.999), ("d", None))
    }
    html = plots.metrics_table(
        {"horizons": {"1_day": own}, "members": {"1_day": {"xgboost": {"rmse": 0.03}}}, "tests": {"1_day": found}}
    )
    for words in ("1.000\u00a0%", "2.000\u00a0%", "xgboost", "3.000\u00a0%", "0.600\u00a0%", "not computable"):
        assert words in html
    assert [html.count(f">{word}</span>") for word in ("better", "no difference shown", "worse")] == [1, 1, 1]
