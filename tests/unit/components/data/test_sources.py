"""Loading bars: conventions of time, splits, and one clear message for each broken file."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.data.bars import COLUMNS
from components.data.hashing import data_hash
from components.data.simulate import extend_market, regime_change, simulate_bars
from components.data.sources import load_bars, load_market
from components.errors import ConfigurationError, DataRejected

SHARED = Path(__file__).resolve().parents[5] / "shared" / "data"

GOOD = """date,symbol,open,high,low,close,volume
2020-01-02,ABC,10,11,9,10.5,1000
2020-01-03,ABC,10.5,12,10,11.5,1100
"""


def needs(name):
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not here: shared data do not ship with the project")
    return str(path)


@pytest.fixture
def csv(tmp_path):
    def write(text, name="bars.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def test_embedded_bars():
    bars = load_bars()
    assert tuple(bars.columns) == COLUMNS
    assert bars.groupby("entity").size().to_dict() == {"NASDAQ": 5031, "SP500": 5031}
    assert bars["timestamp"].dtype == "datetime64[ns]"
    assert (bars["timestamp"].dt.hour == 21).all()
    assert bars.isna().sum().sum() == 0
    assert bars.equals(bars.sort_values(["entity", "timestamp"]))


def test_embedded_market_is_complete_and_says_where_vix_is_a_proxy():
    market = load_market()
    assert market.isna().sum().sum() == 0
    assert market["timestamp"].is_monotonic_increasing
    assert market["breadth"].between(0, 1).all()
    proxy = market.set_index("timestamp")["vix_is_proxy"]
    assert (proxy.loc[:"2014-01-02"] == 1).all()
    assert (proxy.loc["2014-01-03":] == 0).all()
    assert market.loc[market["timestamp"] == "2018-12-24 21:00", "vix"].item() == 36.07


def test_the_vix_proxy_looks_at_the_past_only(monkeypatch):
    from components.data import embedded

    market = load_market().set_index("timestamp")["vix"]
    read = embedded.read_shipped

    def altered(package, file):
        table = read(package, file)
        if "Close" in table:
            late = table.index >= "2010-01-01"
            table.loc[late, "Close"] *= np.random.default_rng(1).uniform(0.5, 1.5, late.sum())
        return table

    monkeypatch.setattr(embedded, "read_shipped", altered)
    again = load_market().set_index("timestamp")["vix"]
    pd.testing.assert_series_equal(again.loc[:"2009-12-31"], market.loc[:"2009-12-31"])
    assert (again.loc["2010-02-01":"2013-12-31"] != market.loc["2010-02-01":"2013-12-31"]).all()


def test_market_of_a_file_is_empty(csv):
    assert load_market(csv(GOOD)).empty


def test_embedded_has_no_intraday_bars():
    with pytest.raises(ConfigurationError, match="daily bars only, '5m'"):
        load_bars(bar="5m")


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("2015-06-30", "2015-06-30 21:00"),
        ("2015-06-30T20:59", "2015-06-29 21:00"),
        ("2015-06-30T17:00-04:00", "2015-06-30 21:00"),
    ],
)
def test_until_is_inclusive(until, last):
    assert load_bars(until=until)["timestamp"].max() == pd.Timestamp(last)


def test_until_must_be_a_date():
    with pytest.raises(ConfigurationError, match="until='soon' is not a date"):
        load_bars(until="soon")


def test_a_daily_csv(csv):
    bars = load_bars(csv(GOOD))
    assert bars["entity"].tolist() == ["ABC", "ABC"]
    assert bars["timestamp"].tolist() == [pd.Timestamp("2020-01-02 21:00"), pd.Timestamp("2020-01-03 21:00")]
    assert bars["close"].tolist() == [10.5, 11.5]


def test_the_file_names_the_entity_when_no_column_does(csv):
    bars = load_bars(csv("date,open,high,low,close,volume\n2020-01-02,1,1,1,1,1\n", "xyz.csv"))
    assert bars["entity"].tolist() == ["XYZ"]


def test_a_session_keeps_its_date_whatever_its_zone(csv):
    text = "date,open,high,low,close,volume\n2020-01-02T00:00:00+05:30,1,1,1,1,1\n"
    assert load_bars(csv(text))["timestamp"].tolist() == [pd.Timestamp("2020-01-02 21:00")]


BROKEN = {
    "empty": ("", "is empty \\(0 bytes\\)"),
    "header only": ("date,open,high,low,close,volume\n", "has a header but no rows"),
    "missing column": ("date,open,high,low,volume\n2020-01-02,1,1,1,1\n", "has no column 'close'"),
    "missing time": ("when,open,high,low,close,volume\n2020-01-02,1,1,1,1,1\n", "has no column 'timestamp'"),
    "missing volume": ("date,open,high,low,close\n2020-01-02,1,1,1,1\n", "no column 'volume'.*without_volume='zero'"),
    "text": (GOOD.replace("11.5,1100", "n.a.!,1100"), "column 'close' has text.*line 3: 'n.a.!'"),
    "infinite": (GOOD.replace("11.5,1100", "inf,1100"), "column 'close' has text.*line 3"),
    "no time": (GOOD.replace("2020-01-03", "later"), "no readable time in row 3: 'later'"),
    "numeric time": (GOOD.replace("2020-01-02", "17").replace("2020-01-03", "18"), "holds numbers"),
    "no entity": (GOOD.replace("ABC,10.5", ",10.5"), "column 'symbol' is empty in row 1"),
    "ragged": (GOOD + "1,2,3,4,5,6,7,8,9\n", "cannot be read"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_told_what_is_wrong(csv, case):
    text, message = BROKEN[case]
    with pytest.raises(DataRejected, match=f"(?s){message}") as caught:
        load_bars(csv(text))
    assert caught.value.remedy
    assert "bars.csv" in str(caught.value)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataRejected, match=r"There is no file .*nothing\.csv"):
        load_bars(str(tmp_path / "nothing.csv"))


def test_a_truncated_parquet_file(tmp_path):
    path = tmp_path / "bars.parquet"
    simulate_bars(30).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataRejected, match="cannot be read"):
        load_bars(str(path))


def test_an_unknown_format(csv):
    with pytest.raises(DataRejected, match=r"unknown format '\.xls'"):
        load_bars(csv(GOOD, "bars.xls"))


def test_an_index_without_volume_is_taken_when_told(csv):
    path = csv("date,open,high,low,close\n2020-01-02,1,1,1,1\n")
    assert load_bars(path, without_volume="zero")["volume"].tolist() == [0.0]


INTRADAY = "{stamp},open,high,low,close,volume\n2020-01-02T14:30:00,1,2,1,2,5\n2020-01-02T14:35:00,2,3,2,3,5\n"


def test_bar_starts_become_ends(csv):
    """A bar that starts at 14:30 and lasts 5 minutes is known at 14:35, not before."""
    ends = [pd.Timestamp("2020-01-02 14:35"), pd.Timestamp("2020-01-02 14:40")]
    by_name = load_bars(csv(INTRADAY.format(stamp="ts_bar_start")), bar="5m")
    assert by_name["timestamp"].tolist() == ends
    told = load_bars(csv(INTRADAY.format(stamp="timestamp")), bar="5m", stamps="start")
    assert told["timestamp"].tolist() == ends
    as_ends = load_bars(csv(INTRADAY.format(stamp="timestamp")), bar="5m")
    assert as_ends["timestamp"].tolist() == [e - pd.Timedelta(minutes=5) for e in ends]


def test_starts_do_not_leak_the_bar_into_its_own_beginning(csv):
    """Loaded until 14:35, a file of starts must not show the bar that runs from 14:35 to 14:40."""
    bars = load_bars(csv(INTRADAY.format(stamp="ts_bar_start")), bar="5m", until="2020-01-02T14:35")
    assert bars["close"].tolist() == [2.0]


def test_zones(csv):
    path = csv(INTRADAY.format(stamp="ts_bar_end"))
    bars = load_bars(path, bar="5m", timezone="America/New_York")
    assert bars["timestamp"].iloc[0] == pd.Timestamp("2020-01-02 19:30")
    aware = csv(INTRADAY.format(stamp="ts_bar_end").replace(":00,", ":00+05:30,"), "aware.csv")
    assert load_bars(aware, bar="5m")["timestamp"].iloc[0] == pd.Timestamp("2020-01-02 09:00")
    with pytest.raises(ConfigurationError, match="no time zone 'Mars/Base'"):
        load_bars(path, bar="5m", timezone="Mars/Base")


def test_a_time_that_the_clock_change_makes_ambiguous(csv):
    text = "timestamp,open,high,low,close,volume\n2020-11-01T01:30:00,1,1,1,1,1\n2020-11-01T01:35:00,1,1,1,1,1\n"
    with pytest.raises(DataRejected, match="2020-11-01 01:30:00 in row 2 is ambiguous"):
        load_bars(csv(text), bar="5m", timezone="America/New_York")


def test_a_wrong_bar_length_is_refused(csv):
    with pytest.raises(DataRejected, match="0 days 00:05:00 apart"):
        load_bars(csv(INTRADAY.format(stamp="timestamp")), bar="1m")
    with pytest.raises(ConfigurationError, match="no bar '2 days'"):
        load_bars(csv(GOOD), bar="2 days")


def test_intraday_bars_are_not_taken_for_daily_ones(tmp_path):
    path = tmp_path / "minutes.parquet"
    simulate_bars(200, bar="5m").to_parquet(path)
    with pytest.raises(DataRejected, match="its bars are not daily"):
        load_bars(str(path))


def test_splits_are_adjusted(csv):
    text = (
        "date,symbol,open,high,low,close,volume,split_coefficient\n"
        "2020-01-02,A,100,100,100,100,10,1.0\n2020-01-03,A,50,50,50,50,20,2.0\n2020-01-06,A,51,51,51,51,20,1.0\n"
        "2020-01-02,B,7,7,7,7,7,1.0\n"
    )
    bars = load_bars(csv(text))
    assert bars["close"].tolist() == [50, 50, 51, 7]
    assert bars["volume"].tolist() == [20, 20, 20, 7]


def test_hash_is_of_content():
    bars = simulate_bars(40)
    assert data_hash(bars) == data_hash(bars.set_index(np.arange(40) + 5))
    assert data_hash(bars) == data_hash(bars.assign(entity=bars["entity"].astype("string")))
    assert len(data_hash(bars)) == 64
    other = bars.copy()
    other.loc[39, "volume"] += 1
    assert data_hash(bars) != data_hash(other)
    assert data_hash(bars) != data_hash(bars.iloc[::-1])
    assert data_hash(bars) != data_hash(bars.rename(columns={"open": "opening"}))


def test_hash_survives_a_file(tmp_path):
    bars = simulate_bars(40)
    bars.to_parquet(tmp_path / "bars.parquet")
    assert data_hash(load_bars(str(tmp_path / "bars.parquet"))) == data_hash(bars)


def test_a_regime_change_scales_volatility_and_continues_the_series():
    bars = load_bars(until="2010-12-31")
    after = regime_change(bars, 3.0, seed=1)
    for entity, group in bars.groupby("entity"):
        mine = after[after["entity"] == entity]
        assert mine["timestamp"].min() > group["timestamp"].max()
        before = np.log(group["close"].tail(252)).diff().std()
        assert 2.3 < np.log(mine["close"]).diff().std() / before < 3.7
    assert after.equals(regime_change(bars, 3.0, seed=1))
    market = extend_market(load_market(), after, 3.0, seed=1)
    assert market["timestamp"].max() == after["timestamp"].max()
    assert market["timestamp"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("name", "bar", "options", "first"),
    [
        ("intraday/reliance_5min_2025.parquet", "5m", {}, "2025-08-25 03:50"),
        ("intraday/us_1min_2025_2026.parquet", "1m", {}, "2025-09-15 13:31"),
        ("intraday/nse_banks_1min_2023.parquet", "1m", {}, "2023-04-03 03:46"),
        ("intraday/nifty_banknifty_1min_2021_2023.parquet", "1m", {"without_volume": "zero"}, "2021-01-01 03:38"),
        ("market/us_daily_adjusted_1999_2020.parquet", "1d", {}, "1999-11-01 21:00"),
        ("market/us_sp500_daily_2015_2020.parquet", "1d", {}, "2015-01-12 21:00"),
        ("market/nse_daily_adjusted_2020_2026.parquet", "1d", {}, "2020-01-01 21:00"),
        ("market/nse_daily_raw_2000_2021.parquet", "1d", {}, "2000-01-03 21:00"),
    ],
)
def test_shared_files_load(name, bar, options, first):
    bars = load_bars(needs(name), bar=bar, **options)
    assert tuple(bars.columns) == COLUMNS
    assert bars["timestamp"].min() == pd.Timestamp(first)


def test_splits_of_a_real_file_are_adjusted():
    """Apple split 2:1 in 2000 and 2005, 7:1 in 2014 and 4:1 in 2020: 112 shares for one."""
    bars = load_bars(needs("market/us_daily_adjusted_1999_2020.parquet"))
    apple = bars[bars["entity"] == "AAPL"]
    assert apple["close"].iloc[0] == pytest.approx(77.62 / 112, rel=1e-5)
    assert (np.log(apple["close"]).diff().abs().max()) < 0.8
