"""The feature store on real Feast: point-in-time joins, online rows, lookups, and their errors."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from components.data.sources import load_bars, load_market
from components.errors import ConfigurationError, FeatureUnavailable, InvalidRequest, OutOfSpace
from components.features.definitions import FEATURES, NAMES
from components.features.price import compute_features
from feature_repo import store as fs
from feature_repo import tables

NEWEST = pd.Timestamp("2018-12-31 21:00")
REPO = Path(fs.__file__).parent


def matrix(rows):
    return np.hstack([rows[list(NAMES)].to_numpy(), np.stack(rows["window"].to_numpy())])


@pytest.fixture(scope="module")
def features():
    bars = load_bars()
    recent = bars[bars["timestamp"] > "2016-06-30"]
    return compute_features(recent, load_market())


@pytest.fixture(scope="module")
def root(features, tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    fs.write_features(folder, features)
    return folder


@pytest.fixture(scope="module")
def store(root):
    opened = fs.open_store(root)
    fs.materialise(opened, "2019-01-01")
    return opened


def test_what_is_registered(store):
    assert [e.name for e in store.list_entities() if e.name != "__dummy"] == ["security"]
    views = {v.name: v for v in store.list_feature_views()}
    assert set(views) == {"price_features", "price_window"}
    assert [f.name for f in views["price_features"].features] == list(NAMES)
    described = {f.name: f.description for f in views["price_features"].features}
    assert described == {c.name: c.description for c in FEATURES}
    service = store.get_feature_service("price_forecast_v1")
    assert [p.name for p in service.feature_view_projections] == ["price_features", "price_window"]


def test_a_training_join_returns_what_was_computed(store, features):
    shuffled = features.sample(frac=1, random_state=2)
    joined = fs.training_frame(store, shuffled)
    assert tuple(joined.columns) == fs.COLUMNS
    assert joined["timestamp"].tolist() == shuffled["timestamp"].tolist()
    np.testing.assert_array_equal(matrix(joined), matrix(shuffled))


def test_a_join_never_sees_the_future(store, features):
    """One nanosecond before a bar ends, its features are not known yet."""
    times = features[features["entity"] == "SP500"]["timestamp"]
    asked = pd.DataFrame({"entity": "SP500", "timestamp": times.iloc[1:] - pd.Timedelta(1, "us")})
    joined = fs.training_frame(store, asked)
    own = features[features["entity"] == "SP500"]["close"].to_numpy()
    np.testing.assert_array_equal(joined["close"].to_numpy(), own[:-1])


def test_the_as_of_join_agrees_with_feasts_own_file_store(root, features, tmp_path):
    """Feast's dask store is the oracle; few rows, because it is quadratic."""
    from feast import FeatureStore

    few = features.groupby("entity").tail(40)
    fs.write_features(tmp_path, few)
    ours = fs.open_store(tmp_path)
    config = yaml.safe_load((tmp_path / "feast/feature_store.yaml").read_text())
    config["offline_store"] = {"type": "dask"}
    (tmp_path / "feast/feature_store.yaml").write_text(yaml.safe_dump(config))
    oracle = FeatureStore(repo_path=str(tmp_path / "feast"))
    asked = few.sample(60, random_state=4)[["entity", "timestamp"]]
    asked["timestamp"] += pd.to_timedelta(np.arange(60) * 2, unit="h")
    asked = asked.drop_duplicates().reset_index(drop=True)
    one, two = fs.training_frame(ours, asked), fs.training_frame(oracle, asked)
    np.testing.assert_array_equal(matrix(one), matrix(two))


def test_the_newest_version_of_a_row_wins_and_the_rest_stays(features, tmp_path):
    old = features.groupby("entity").tail(3)
    fs.write_features(tmp_path, old)
    revised = old.tail(1).assign(rsi_14=1.5)
    fs.write_features(tmp_path, revised)
    joined = fs.training_frame(fs.open_store(tmp_path), old)
    assert joined["rsi_14"].tolist() == [*old["rsi_14"].iloc[:-1], 1.5]
    assert len(pd.read_parquet(tmp_path / "feast/price_features.parquet")) == len(old)


def test_online_rows_are_the_newest(store, features):
    rows = fs.online_rows(store, ["SP500", "NASDAQ", "SP500", "UNKNOWN"])
    assert rows["entity"].tolist() == ["SP500", "NASDAQ"]
    assert (rows["timestamp"] == NEWEST).all()
    want = features[features["timestamp"] == NEWEST].set_index("entity").loc[["SP500", "NASDAQ"]].reset_index()
    np.testing.assert_array_equal(matrix(rows), matrix(want))


def test_materialising_an_earlier_moment_puts_that_moment_online(features, tmp_path):
    fs.write_features(tmp_path, features)
    store = fs.open_store(tmp_path)
    fs.materialise(store, "2018-06-30")
    assert fs.online_rows(store, ["SP500"])["timestamp"].tolist() == [pd.Timestamp("2018-06-29 21:00")]


def test_lookup_mixes_online_and_historical(store, features):
    times = [NEWEST + pd.Timedelta(hours=5), pd.Timestamp("2018-03-01 12:00"), pd.Timestamp("2018-12-31T16:00-05:00")]
    rows = fs.lookup(store, ["SP500", "SP500", "NASDAQ"], times)
    assert rows["entity"].tolist() == ["SP500", "SP500", "NASDAQ"]
    assert rows["timestamp"].tolist() == [times[0], times[1], NEWEST]
    known = features.set_index(["entity", "timestamp"])["close"]
    keys = [("SP500", NEWEST), ("SP500", pd.Timestamp("2018-02-28 21:00")), ("NASDAQ", NEWEST)]
    assert rows["close"].tolist() == [known[k] for k in keys]
    assert matrix(rows).shape == (3, len(NAMES) + 300)


def test_online_and_historical_answers_are_the_same(store, monkeypatch):
    """No training-serving skew: the same question answered by either path gives the same bits."""
    online = fs.lookup(store, ["SP500"], [NEWEST])
    historical = fs.training_frame(store, pd.DataFrame({"entity": ["SP500"], "timestamp": [NEWEST]}))
    np.testing.assert_array_equal(matrix(online), matrix(historical))


@pytest.mark.parametrize(
    ("entity", "time", "message"),
    [
        ("UNKNOWN", "2018-12-31 21:00", "has nothing on 'UNKNOWN' at or before 2018-12-31 21:00:00"),
        ("SP500", "2001-01-01", "has nothing on 'SP500' at or before 2001-01-01"),
        ("SP500", "2019-02-01", "newest features of 'SP500' at 2019-02-01 00:00:00 are of 2018-12-31 21:00:00"),
    ],
)
def test_unknown_and_stale_are_named(store, entity, time, message):
    with pytest.raises(FeatureUnavailable, match=message) as caught:
        fs.lookup(store, [entity], [pd.Timestamp(time)])
    assert caught.value.status == 404
    assert caught.value.remedy


def test_one_unknown_among_known_fails_as_a_whole(store):
    with pytest.raises(FeatureUnavailable, match="'UNKNOWN'"):
        fs.lookup(store, ["SP500", "UNKNOWN"], [NEWEST, NEWEST])


def test_malformed_lookups(store):
    with pytest.raises(InvalidRequest, match="2 entities but 1 timestamps"):
        fs.lookup(store, ["SP500", "NASDAQ"], [NEWEST])
    with pytest.raises(InvalidRequest, match=r"timestamp\[1\]: the timestamp is missing"):
        fs.lookup(store, ["SP500", "NASDAQ"], [NEWEST, pd.NaT])


def test_a_full_disk_leaves_the_table_as_it_was(features, tmp_path, monkeypatch):
    rows = features.groupby("entity").tail(2)
    fs.write_features(tmp_path, rows)
    before = (tmp_path / "feast/price_features.parquet").read_bytes()

    def full(self, path, **options):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(OutOfSpace, match="disk filled up"):
        tables.upsert(tmp_path, "price_features", rows[["entity", "timestamp", *NAMES]])
    assert (tmp_path / "feast/price_features.parquet").read_bytes() == before
    assert not list((tmp_path / "feast").glob(".price*"))


def test_a_second_process_reads_what_the_first_materialised(root, store):
    """What the transformer does: open, look up, with no registration of its own."""
    code = (
        "import sys, pathlib, pandas as pd\n"
        "from feature_repo.store import open_store, lookup\n"
        "store = open_store(pathlib.Path(sys.argv[1]))\n"
        "print(lookup(store, ['SP500'], [pd.Timestamp('2018-12-31 21:00')])['close'].item())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(root)], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "2506.850098"


def test_the_cluster_variant_differs_in_stores_only():
    local, cluster = (
        yaml.safe_load((REPO / name).read_text()) for name in ("feature_store.yaml", "feature_store.cluster.yaml")
    )
    assert cluster["project"] == local["project"]
    assert cluster["entity_key_serialization_version"] == local["entity_key_serialization_version"]
    assert (cluster["offline_store"]["type"], cluster["online_store"]["type"]) == ("postgres", "redis")
    assert cluster["offline_store"]["password"] == "${FEAST_POSTGRES_PASSWORD}"


def test_an_unknown_kind_of_source(monkeypatch):
    from feature_repo.sources import source

    monkeypatch.setenv("ARTHAFLOW_FEATURE_SOURCE", "punch cards")
    with pytest.raises(ConfigurationError, match="'punch cards' is unknown"):
        source("price_features")
