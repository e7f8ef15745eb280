"""Trains the benchmark's models and writes each twice: as our artifact, and as the peers' file."""

from __future__ import annotations

import hashlib
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.workloads import Workload
from components.catalog import get_spec
from components.data.dataset import Dataset
from components.registry.artifact import atomic_directory, read_artifact, write_artifact

ROOMS = Path(__file__).resolve().parent / "rooms"


def build(workload: Workload, home: Path) -> Path:
    """Return a folder with ``artifact/`` and ``peer/`` of a workload's model, trained now unless it is there already.

    The folder's name has the hash of the model's source: an edited model is trained again and the old one removed.
    """
    spec = get_spec(workload.model)
    target = home / f"{workload.model}-{_hash(ROOMS / spec.room / workload.model)}"
    if target.exists():
        read_artifact(target / "artifact")
        return target
    for old in home.glob(f"{workload.model}-*"):
        rmtree(old)
    data = dataset(workload)
    cut = len(data) * 9 // 10
    validation = data.take(np.arange(cut, len(data)))
    cls = spec.load_model_class()
    model = cls()
    candidate: Any = next(iter(cls.candidates(model.params).values()))()
    candidate.fit(data.take(np.arange(cut)), validation)
    with atomic_directory(target) as scratch, TemporaryDirectory() as exported:
        candidate.save(Path(exported))
        model.adopt({"model": Path(exported)})
        golden = {k: v[:3] for k, v in validation.inputs.items()}
        write_artifact(scratch / "artifact", spec, model, golden, {"lineage": {"dataset": "generated", "seed": 7}})
        (scratch / "peer").mkdir()
        _write_peer(candidate, scratch / "peer" / workload.peer_file)
    return target


def dataset(workload: Workload) -> Dataset:
    """Return the model's generated data."""
    spec = get_spec(workload.model)
    data: Dataset = spec.resolve(spec.dataset)()
    return data


def _write_peer(candidate: Any, path: Path) -> None:
    if path.suffix == ".ubj":
        candidate.classifier.save_model(path)
    elif path.suffix == ".skops":
        import skops.io

        candidate.forest.n_jobs = 1  # a pool of threads on one core only costs
        skops.io.dump(candidate.forest, path)
    else:
        from safetensors.torch import save_file

        save_file(candidate.network.state_dict(), path)


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
