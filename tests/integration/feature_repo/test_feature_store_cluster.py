"""The cluster variant on a real PostgreSQL and Redis, started here: the same answers as the embedded store.

Their programs come from Debian's packages ``postgresql`` and ``redis-server`` (``make setup-test``).
"""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from inference.ports import free_port

PG = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
ABSENT = [
    name
    for name, there in (("PostgreSQL", PG and (PG / "initdb").exists()), ("redis-server", shutil.which("redis-server")))
    if not there
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


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nothing listens on port {port}")


@pytest.fixture
def stores() -> Iterator[dict[str, str]]:
    """PostgreSQL and Redis on free ports, and the variables that point Feast to them."""
    assert PG is not None
    folder = Path(tempfile.mkdtemp(prefix="arthaflow-stores-"))
    root = os.geteuid() == 0
    user = "postgres" if root else getpass.getuser()
    as_user = ["runuser", "-u", user, "--"] if root else []  # PostgreSQL refuses to run as root
    if root:
        shutil.chown(folder, user)
    postgres_port, redis_port, data = free_port(), free_port(), folder / "data"
    subprocess.run(
        [*as_user, str(PG / "initdb"), "-D", str(data), "-U", "feast", "--auth=trust", "-E", "UTF8"],
        check=True, capture_output=True, cwd=folder,
    )  # fmt: skip
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    postgres = subprocess.Popen(
        [*as_user, str(PG / "postgres"), "-D", str(data), "-p", str(postgres_port), *options], **quiet
    )
    redis = subprocess.Popen(["redis-server", "--port", str(redis_port), "--bind", "127.0.0.1", "--save", ""], **quiet)
    try:
        wait_for(postgres_port)
        wait_for(redis_port)
        yield {
            "FEAST_POSTGRES_HOST": "127.0.0.1",
            "FEAST_POSTGRES_PORT": str(postgres_port),
            "FEAST_POSTGRES_DATABASE": "postgres",
            "FEAST_POSTGRES_USER": "feast",
            "FEAST_POSTGRES_PASSWORD": "unused",
            "FEAST_POSTGRES_SSLMODE": "disable",
            "FEAST_REDIS_URL": f"127.0.0.1:{redis_port}",
        }
    finally:
        subprocess.run([*as_user, str(PG / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"], capture_output=True)
        redis.terminate()
        redis.wait(30)
        postgres.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.skipif(bool(ABSENT), reason=f"{' and '.join(ABSENT)} cannot be found; `make setup-test` installs them")
def test_the_cluster_store_gives_the_same_answers(stores: dict[str, str], tmp_path: Path) -> None:
    environment = {**os.environ, **stores, "ARTHAFLOW_FEATURE_SOURCE": "postgres"}
    done = subprocess.run(
        [sys.executable, "-c", ROUND_TRIP, str(tmp_path)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.stdout.split("\n")[-2:] == ["same answers", ""], done.stderr[-3000:]
