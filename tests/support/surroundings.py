"""Starts the servers around a predictor as processes of either environment, and features to look up."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.catalog import get_spec
from components.data.dataset import Dataset
from components.registry.artifact import Artifact, write_artifact, write_manifest
from inference.local.process import ManagedProcess
from inference.ports import free_port
from tests.support.tiny import room_environment, test_rooms

EXPLAIN_PYTHON = Path(__file__).resolve().parents[2] / ".venv-explain" / "bin" / "python"

needs_alibi = pytest.mark.skipif(
    not EXPLAIN_PYTHON.exists(), reason="the Alibi environment .venv-explain is absent; `make setup` creates it"
)


@dataclass
class Server:
    """A running server."""

    url: str
    process: ManagedProcess


@contextmanager
def server(
    module: str, logs: Path, *arguments: object, python: Path | str = sys.executable, ready: bool = True
) -> Iterator[Server]:
    """Run ``python -m inference.<module>`` until the block ends."""
    port = free_port()
    command = [str(python), "-m", f"inference.{module}", "--host", "127.0.0.1", "--http_port", str(port)]
    environment = {**room_environment(), "ARTHAFLOW_HOME": os.environ.get("ARTHAFLOW_HOME", str(logs / "home"))}
    process = ManagedProcess(module, [*command, *map(str, arguments)], logs / f"{module}-{port}.log", environment)
    process.start()
    url = f"http://127.0.0.1:{port}"
    try:
        process.wait_ready(f"{url}/v2/health/{'ready' if ready else 'live'}", timeout_s=120)
        yield Server(url, process)
    finally:
        process.stop(30)


def make_looked_up_artifact(directory: Path, features: pd.DataFrame) -> Artifact:
    """Write the looked-up model's artifact, with background rows of real features."""
    with test_rooms():
        spec = get_spec("looked_up")
        from components.models.lab.looked_up.model import NAMES

        inputs = {
            "features": features[list(NAMES)].to_numpy(dtype=np.float64),
            "window": np.stack([np.asarray(w, np.float32) for w in features["window"]]).reshape(-1, 60, 5),
        }
        times = features["timestamp"].to_numpy()
        data = Dataset(inputs, {}, times, times, features["entity"].to_numpy())
        golden = {k: v[:2] for k, v in inputs.items()}
        artifact = write_artifact(directory, spec, spec.load_model_class()(), golden, {"version": "1"})
        data.take(np.unique(np.linspace(0, len(data) - 1, 64).astype(int))).write(
            directory / "model/background.parquet"
        )
        data.write(directory / "model" / "reference.parquet")
        write_manifest(directory, spec.name)
        return artifact
