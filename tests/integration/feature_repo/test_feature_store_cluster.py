"""The cluster variant on a real PostgreSQL and Redis, where they run: the same answers as the embedded store.

Set FEAST_POSTGRES_* and FEAST_REDIS_URL as feature_repo/feature_store.cluster.yaml says; the tables are replaced.
"""

import importlib.util
import os
import subprocess
import sys

import pytest

NEEDED = [f"FEAST_POSTGRES_{n}" for n in ("HOST", "PORT", "DATABASE", "USER", "PASSWORD", "SSLMODE")] + [
    "FEAST_REDIS_URL"
]
ABSENT = [n for n in NEEDED if n not in os.environ] + [
    m for m in ("psycopg", "redis") if not importlib.util.find_spec(m)
]

# Its own process: views are declared once per process, for files or for PostgreSQL.
ROUND_TRIP = """
import pathlib, sys
import numpy as np, pandas as pd
from components.data.sources import load_bars, load_market
from components.errors import FeatureUnavailable
from components.features.definitions import NAMES
from components.features.price import compute_features
from feature_repo.store import lookup, materialise, online_rows, open_store, training_frame, write_features

bars = load_bars()
features = compute_features(bars[bars["timestamp"] > "2017-06-30"], load_market())
root = pathlib.Path(sys.argv[1])
write_features(root, features)
write_features(root, features.tail(5))
store = open_store(root)
joined = training_frame(store, features)
assert (joined[list(NAMES)].to_numpy() == features[list(NAMES)].to_numpy()).all()
assert (np.stack(joined["window"]).astype(np.float32) == np.stack(features["window"])).all()
materialise(store, "2019-01-01")
assert online_rows(store, ["SP500", "UNKNOWN"])["entity"].tolist() == ["SP500"]
newest = pd.Timestamp("2018-12-31 21:00")
rows = lookup(store, ["SP500", "SP500"], [newest, pd.Timestamp("2018-09-04 12:00")])
own = features[features["entity"] == "SP500"].set_index("timestamp")["close"]
assert rows["close"].tolist() == [own[newest], own[pd.Timestamp("2018-08-31 21:00")]]
for entity, time, message in (("UNKNOWN", newest, "has nothing"), ("SP500", "2019-03-01", "are of 2018-12-31 21")):
    try:
        lookup(store, [entity], [pd.Timestamp(time)])
    except FeatureUnavailable as error:
        assert message in str(error), error
    else:
        raise AssertionError(entity)
print("same answers")
"""


@pytest.mark.skipif(bool(ABSENT), reason=f"no PostgreSQL and Redis to test with: {', '.join(ABSENT)} missing")
def test_the_cluster_store_gives_the_same_answers(tmp_path):
    environment = {**os.environ, "ARTHAFLOW_FEATURE_SOURCE": "postgres"}
    done = subprocess.run(
        [sys.executable, "-c", ROUND_TRIP, str(tmp_path)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.split("\n")[-2:] == ["same answers", ""], done.stderr[-3000:]
