"""check_bars: what is repaired, what is flagged, what is refused, and that the report says which rows and why."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.data.jumps import split_like
from components.data.limits import Limits
from components.data.quality import check_bars
from components.data.quality_report import BarsRejected
from components.data.simulate import simulate_bars
from components.data.sources import load_bars
from components.errors import ConfigurationError, DataRejected

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data"
VALUES = ["open", "high", "low", "close", "volume"]


@pytest.fixture
def bars():
    return simulate_bars(400, seed=5)


def check(report, name):
    return next(c for c in report.checks if c.name == name)


def test_the_embedded_bars_pass():
    bars = load_bars()
    report = check_bars(bars, as_of="2018-12-31T21:30")
    assert report.passed
    assert report.accepted.equals(bars)
    assert report.rejected.empty
    assert [c.name for c in report.checks if c.status != "passed"] == ["volume"]
    assert report.flagged["timestamp"].dt.strftime("%Y-%m-%d").tolist() == ["2015-05-12", "2018-01-09"]


@pytest.mark.parametrize(
    ("column", "change", "reason"),
    [
        ("high", lambda b: b["low"] * 0.9, "high below low"),
        ("low", lambda b: b["high"] * 1.1, "close below low"),
        ("close", lambda b: -b["close"], "close not above 0"),
        ("volume", lambda b: -1.0, "volume below 0"),
        ("open", lambda b: np.nan, "open is missing"),
    ],
)
def test_a_broken_row_is_taken_out_with_its_reason_and_filled(bars, column, change, reason):
    bars.loc[100, column] = change(bars.loc[100])
    report = check_bars(bars)
    assert report.rejected["row"].tolist() == [100]
    assert reason in report.rejected["reason"].item()
    filled = report.accepted.iloc[100]
    assert filled["timestamp"] == bars.loc[100, "timestamp"]
    assert filled[["open", "high", "low", "close"]].tolist() == [bars.loc[99, "close"]] * 4
    assert filled["volume"] == 0
    assert report.flagged[["timestamp", "flag"]].values.tolist() == [[bars.loc[100, "timestamp"], "forward-filled"]]


def test_filling_looks_back_only(bars):
    """The filled bar repeats the past: changing what follows must not change it."""
    holed = bars.drop(index=[100, 101])
    later = holed.copy()
    later.loc[102:, ["open", "high", "low", "close"]] *= 1.1
    one, two = (check_bars(f).accepted.iloc[:102] for f in (holed, later))
    pd.testing.assert_frame_equal(one, two)


def test_rounding_of_adjusted_prices_is_forgiven(bars):
    bars.loc[5, "high"] = bars.loc[5, ["open", "close"]].max() * (1 - 1e-8)
    assert check_bars(bars).rejected.empty


def test_too_many_broken_rows_reject_the_file_and_name_the_first(bars):
    bars.loc[[7, 9, 11, 13, 15], "high"] = 0.01
    with pytest.raises(
        DataRejected, match=r"5 of 400 \(1.25%\): row 7 \(SIM, 2010-01-13 21:00:00\): .*high below"
    ) as caught:
        check_bars(bars)
    assert isinstance(caught.value, BarsRejected)
    report = caught.value.report
    assert report.rejected["row"].tolist() == [7, 9, 11, 13, 15]
    assert not report.passed
    assert "REJECTED" in report.to_markdown()
    assert "row 13" not in str(caught.value)


def test_more_than_five_percent_missing_is_refused(bars):
    bars.loc[10:40, "close"] = np.nan
    with pytest.raises(DataRejected, match=r"close 7.75%; first rows: 10 \(SIM"):
        check_bars(bars)


def test_copies_are_dropped_and_contradictions_taken_out(bars):
    copy, clash = bars.iloc[[50]], bars.iloc[[60]].assign(volume=7.0)
    report = check_bars(pd.concat([bars, copy, clash], ignore_index=True))
    assert report.rejected["row"].tolist() == [60, 400, 401]
    assert report.rejected["reason"].str.startswith(("contradicts", "copy", "contradicts")).all()
    assert len(report.accepted) == 400
    assert not report.accepted.duplicated(["entity", "timestamp"]).any()
    assert report.accepted.iloc[60]["volume"] == 0, "neither of two contradicting bars is believed"


def test_rows_may_come_in_any_order(bars):
    report = check_bars(bars.sample(frac=1, random_state=1))
    pd.testing.assert_frame_equal(report.accepted, bars)


def test_short_gaps_are_filled_and_long_ones_flagged(bars):
    report = check_bars(bars.drop(index=[30, 31, 200, 201, 202]))
    assert len(report.accepted) == 397
    assert report.flagged["flag"].tolist() == ["forward-filled", "forward-filled", "gap"]
    assert report.flagged["detail"].iloc[2] == "3 bars absent from here on"
    assert check(report, "gaps").detail == "5 of 400 absent, 2 filled"


def test_too_many_gaps_are_refused(bars):
    with pytest.raises(DataRejected, match=r"'gaps': 27 of 400 absent, first SIM at 2010-"):
        check_bars(bars[(bars.index % 15 != 5)])


def test_holidays_are_no_gaps_but_other_calendars_differ(bars):
    assert check(check_bars(bars), "gaps").status == "passed"
    with pytest.raises(ConfigurationError, match="no exchange calendar 'MARS'"):
        check_bars(bars, calendar="MARS")


def test_intraday_gaps_are_measured_on_the_days_grid():
    bars = simulate_bars(390, bar="5m", seed=2)
    report = check_bars(bars.drop(index=[10, 100, 101, 102]), bar="5m")
    assert check(report, "gaps").detail == "4 of 390 absent, 1 filled"


def test_extreme_changes_are_flagged_and_kept(bars):
    bars.loc[200:, ["open", "high", "low", "close"]] *= 0.37
    report = check_bars(bars)
    assert report.accepted.equals(bars)
    assert report.flagged["flag"].tolist() == ["extreme change"]
    assert report.flagged["timestamp"].tolist() == [bars.loc[200, "timestamp"]]


@pytest.mark.parametrize(
    ("factor", "name"), [(1 / 2, "2:1 split"), (1 / 10, "10:1 split"), (2 / 3, "3:2 split"), (4, "1:4 reverse split")]
)
def test_a_split_that_nobody_adjusted_is_flagged(bars, factor, name):
    bars.loc[200:, ["open", "high", "low", "close"]] *= factor
    flagged = check_bars(bars).flagged
    splits = flagged[flagged["flag"] == "split-like"]
    assert splits["timestamp"].tolist() == [bars.loc[200, "timestamp"]]
    assert splits["detail"].item().endswith(name)


def test_adjusted_prices_have_no_split_like_jump():
    assert split_like(load_bars()).empty


def test_bars_from_the_future_are_taken_out(bars):
    report = check_bars(bars, as_of=bars.loc[398, "timestamp"])
    assert report.rejected["row"].tolist() == [399]
    assert "when it was not known" in report.rejected["reason"].item()


@pytest.mark.parametrize(
    ("as_of", "stale"),
    [
        ("2018-12-31T20:00", False),  # the session is still on: Friday's bar is the newest that can be there
        ("2018-12-31T21:30", True),
        ("2019-01-02T15:00", True),
    ],
)
def test_staleness_counts_open_hours_only(as_of, stale):
    bars = load_bars(until="2018-12-28")
    report = check_bars(bars, as_of=as_of)
    assert check(report, "staleness").status == ("warning" if stale else "passed")
    assert report.flagged["flag"].tolist().count("stale") == (2 if stale else 0)
    assert report.passed, "document 2 alerts, it does not reject"


def test_intraday_staleness():
    bars = simulate_bars(78, bar="5m", start="2019-01-02")
    minutes = {"2019-01-02T21:00": "passed", "2019-01-03T14:00": "passed", "2019-01-03T15:20": "warning"}
    for as_of, status in minutes.items():
        assert check(check_bars(bars, bar="5m", as_of=as_of), "staleness").status == status, as_of


def test_a_security_with_too_few_bars_is_taken_out_alone(bars):
    young = simulate_bars(8, entities=("YOUNG",))
    report = check_bars(pd.concat([bars, young], ignore_index=True))
    assert report.accepted["entity"].unique().tolist() == ["SIM"]
    assert report.rejected["reason"].tolist() == ["one of only 8 bars of its security"] * 8
    assert check(report, "enough rows").detail == "YOUNG has 8"


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (simulate_bars(19), "'enough rows': SIM has 19"),
        (simulate_bars(30).drop(columns="low"), "column 'low' is missing"),
        (simulate_bars(30).iloc[:0], "there are no rows"),
        (simulate_bars(30).assign(volume="much"), "column 'volume' holds object, not numbers"),
    ],
)
def test_what_is_refused_outright(frame, message):
    with pytest.raises(DataRejected, match=message) as caught:
        check_bars(frame)
    assert "The rule is" in caught.value.remedy


def test_limits_can_be_set(bars):
    bars.loc[[7, 9, 11, 13, 15], "high"] = 0.01
    assert len(check_bars(bars, limits=Limits(max_bad_rows=0.05)).rejected) == 5


def test_the_report_reads_well_in_both_forms(bars):
    bars.loc[100, "high"] = 0.01
    bars["entity"] = "A<b>|c"
    report = check_bars(bars)
    markdown, html = report.to_markdown(), report.to_html()
    assert "**Data accepted: 400 bars good, 1 taken out, 1 flagged and kept.**" in markdown
    assert "| 100 | A<b>\\|c | 2010-05-27 21:00 |" in markdown
    assert "A&lt;b&gt;|c" in html
    assert "A<b>" not in html
    assert "http" not in html
    for c in report.checks:
        assert c.name in markdown
        assert c.name in html


def shared(name, **options):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not here: shared data do not ship with the project")
    return load_bars(str(path), **options)


def test_splits_of_unadjusted_indian_stocks_are_found():
    """88 of 101 suspects were judged splits by hand; the detector must find nearly all and few besides."""
    raw = shared("market/nse_daily_raw_2000_2021.parquet").dropna()
    suspects = pd.read_csv(SHARED / "market/nse_suspected_corporate_actions.csv", parse_dates=["date"])
    splits = suspects[suspects["likely_split_or_bonus"]]
    wanted = set(zip(splits["symbol"], splits["date"], strict=True))
    found = split_like(raw)
    hits = set(zip(found["entity"], found["timestamp"].dt.normalize(), strict=True))
    assert len(wanted & hits) >= 0.95 * len(wanted)
    assert len(hits - wanted) <= 0.1 * len(wanted)


@pytest.mark.parametrize(
    ("name", "bar", "options"),
    [
        ("market/us_sp500_daily_2015_2020.parquet", "1d", {}),
        ("market/us_daily_adjusted_1999_2020.parquet", "1d", {}),
        ("intraday/reliance_5min_2025.parquet", "5m", {}),
    ],
)
def test_real_files_pass(name, bar, options):
    report = check_bars(shared(name, bar=bar, **options), bar=bar)
    assert report.passed
    assert report.accepted[VALUES].notna().all().all()
