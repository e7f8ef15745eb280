"""What a trial needs, as one verified folder: dataset, folds and the fixed hyper-parameters.

It has the layout of an artifact, so the artifact store keeps it, in a folder or in S3, and every file's SHA-256 is
checked when it is read. The key follows from the content: the same inputs are uploaded once.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from components.catalog import get_spec
from components.data.dataset import Dataset
from components.errors import ArtifactCorrupt, ConfigurationError
from components.evaluation.splits import Folds, walk_forward
from components.models.spec import ModelSpec
from components.registry.artifact import Artifact, atomic_directory, read_artifact, write_manifest
from components.registry.store import Store, open_store
from components.training.parameters import make_model
from components.tuning.objective import Objective

KIND = "tuning inputs"
EMBEDDED = "embedded"


@dataclass(frozen=True)
class Inputs:
    """Verified inputs of trials."""

    spec: ModelSpec
    data: Dataset
    folds: Folds
    fixed: Mapping[str, Any]

    def objective(self, seed: int) -> Objective:
        """Return the objective; ``seed`` stands in where the model has one and none is fixed."""
        known = vars(make_model(self.spec, {}).params)
        implied = {"seed": seed} if "seed" in known else {}
        return Objective(self.spec, self.data, self.folds, {**implied, **self.fixed})


def write_inputs(spec: ModelSpec, dataset: Path, folds: Path, fixed: Mapping[str, Any], out: Path) -> Path:
    """Write the folder ``out``; return it.

    Parameters
    ----------
    spec : ModelSpec
        With the asked horizons.
    dataset, folds : Path
        As the split step wrote them.
    fixed : mapping
        Hyper-parameters that are not searched.
    """
    model = make_model(spec, fixed)
    schema = {"inputs": model.input_schema.to_dict(), "outputs": model.output_schema.to_dict()}
    facts = {"kind": KIND, "model": spec.name, "horizons": list(spec.horizons), "fixed": dict(fixed)}
    with atomic_directory(out) as scratch:
        shutil.copyfile(dataset, scratch / "dataset.parquet")
        shutil.copyfile(folds, scratch / "folds.json")
        for name, value in (("schema.json", schema), ("metadata.json", facts)):
            (scratch / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
        write_manifest(scratch, spec.name)
    return out


def digest(folder: Path) -> str:
    """Return the SHA-256 of the inputs' content: of every file but the manifest, which has the time it was made at."""
    files = read_artifact(folder).manifest["files"]
    text = json.dumps({name: kept["sha256"] for name, kept in files.items()}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def upload(folder: Path, store: Store | None = None) -> str:
    """Keep the inputs in the artifact store; return their address. Inputs that are there are not sent again."""
    store = store or open_store()
    key = f"tuning/{read_artifact(folder).model_name}/{digest(folder)[:24]}"
    return store.uri(key) if store.exists(key) else store.put_directory(folder, key)


def read_inputs(model: str, place: str) -> Inputs:
    """Read inputs from a folder, an ``s3://`` address, or make them of the embedded data.

    Parameters
    ----------
    model : str
        Name in the catalogue.
    place : str
        What :func:`upload` returned, a folder, or ``embedded``: the platform's own data and folds, the same each time.

    Raises
    ------
    ArtifactCorrupt
        If a file is missing or was changed.
    ConfigurationError
        If the place holds something else, or another model's inputs.
    """
    spec = get_spec(model)
    if place == EMBEDDED:
        return embedded_inputs(spec)
    artifact = _fetch(place)
    if artifact.metadata.get("kind") != KIND:
        raise ConfigurationError(f"{place} holds no tuning inputs.", "Give what the tuning step uploaded.")
    if artifact.model_name != spec.name:
        raise ConfigurationError(
            f"{place} holds inputs of {artifact.model_name!r}, not of {spec.name!r}.", "Give the model's own."
        )
    data, folds = (artifact.directory / name for name in ("dataset.parquet", "folds.json"))
    horizons = tuple(artifact.metadata["horizons"])
    return Inputs(replace(spec, horizons=horizons), Dataset.read(data), Folds.read(folds), artifact.metadata["fixed"])


def embedded_inputs(spec: ModelSpec) -> Inputs:
    """Make the inputs of the embedded data, by the functions that the graph's steps call."""
    import pandas as pd

    from components.features.price import compute_features
    from components.stages import data as stage

    with TemporaryDirectory() as scratch:
        names = ("bars", "market", "accepted", "rejected", "page", "summary")
        bars, market, accepted, rejected, page, told = (Path(scratch, name) for name in names)
        stage.ingest(spec.source, "1d", "", bars, market)
        stage.validate(bars, "1d", accepted, rejected, page, told)
        checked, context = pd.read_parquet(accepted), pd.read_parquet(market)
    table = compute_features(checked, context) if spec.feature_service else checked[["entity", "timestamp"]]
    data: Dataset = spec.resolve(spec.dataset)(table, checked, spec.horizons)
    return Inputs(spec, data, walk_forward(data), {})


def _fetch(place: str) -> Artifact:
    if place.startswith("s3://"):
        root, _, key = place.rstrip("/").rpartition("/")
        return read_artifact(open_store(root).local(key))
    if "://" in place:
        raise ConfigurationError(f"{place} is of unknown scheme.", "Give a folder, s3://bucket/prefix, or `embedded`.")
    folder = Path(place)
    if not folder.is_dir():
        raise ArtifactCorrupt(f"There is no folder {folder}.", "Give what the tuning step wrote, or `embedded`.")
    return read_artifact(folder)
