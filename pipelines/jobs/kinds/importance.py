"""An importance job: how much worse the version in production gets when one feature is shuffled.

The rows are those that the version's blend was calibrated on: real, the most recent, and none that its members learnt
from. The score is the relative rise of the root mean squared error, averaged over the horizons and over the shuffles
(Breiman 2001, doi:10.1023/A:1010933404324; the ratio form is that of Fisher, Rudin and Dominici, arXiv:1801.01489).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from components.errors import ConfigurationError
from pipelines.jobs.context import JobContext

if TYPE_CHECKING:
    from collections.abc import Callable

    from components.data.dataset import Dataset
    from components.models.contract import FloatArray, Model
    from components.models.schema import Batch, Schema
    from components.models.spec import ModelSpec

SEED = 7


def score(context: JobContext) -> dict[str, Any]:
    """Score one feature, and keep the score in ml_features.

    Raises
    ------
    ConfigurationError
        If the model does not take the feature, or its target is nothing that an error can be computed of.
    """
    from components.catalog import get_spec
    from components.data.dataset import Dataset
    from components.registry.artifact import read_artifact
    from components.registry.versions import Registry

    arguments, spec = context.asked.arguments, get_spec(context.asked.model)
    registry = Registry()
    version = registry.get(spec.name, str(arguments.get("version") or "production")).version
    artifact = read_artifact(registry.resolve(spec.name, version))
    name, repeats = str(arguments["feature"]), int(arguments.get("repeats", 5))
    permute = permuter(artifact.input_schema, name, spec)
    kept = Dataset.read(artifact.directory / "model" / "reference.parquet")
    rows = int(artifact.metadata.get("calibration_rows") or len(kept))
    data = whole(kept.take(np.argsort(kept.times, kind="stable")[-rows:]), artifact.input_schema)
    model = artifact.load_model(spec)
    context.begin(f"shuffle {name}", rows=len(data), repeats=repeats)
    scores = rises(model, spec, data, permute, repeats)
    _keep(str(arguments["feature_id"]), float(np.mean(scores)))
    return {
        "feature": name,
        "feature_id": arguments["feature_id"],
        "model": spec.name,
        "version_scored": version,
        "importance": float(np.mean(scores)),
        "deviation": float(np.std(scores)),
        "repeats": repeats,
        "rows": len(data),
        "period": {"from": str(data.times.min()), "until": str(data.times.max())},
        "metric": "relative rise of the root mean squared error",
    }


def permuter(schema: Schema, name: str, spec: ModelSpec) -> Callable[[Batch, np.random.Generator], Batch]:
    """Return what shuffles one feature among the rows of a batch: a column of a tensor, or a whole tensor.

    Raises
    ------
    ConfigurationError
        If the model does not take it, or its values belong to others of the row: weights without their securities are
        no portfolio, so nothing of a length that the request decides is shuffled alone.
    """
    for tensor in schema.tensors:
        columns = [column.name for column in tensor.columns]
        if tensor.variable and name in (tensor.name, *columns):
            raise ConfigurationError(
                f"{name!r} is as long as a request makes it, and belongs to the rest of its row.",
                f"Score one of fixed length: {', '.join(_taken(schema)) or 'this model takes none'}.",
            )
        if tensor.name == name:
            return lambda batch, rng: {**batch, name: rng.permutation(batch[name], axis=0)}
        if name in columns and len(tensor.shape) == 1:
            place, where = columns.index(name), tensor.name
            return lambda batch, rng: {**batch, where: _shuffled(batch[where], place, rng)}
    raise ConfigurationError(
        f"{spec.name} does not take the feature {name!r}.", f"It takes {', '.join(_taken(schema))}."
    )


def whole(data: Dataset, schema: Schema) -> Dataset:
    """Return a dataset in which the optional inputs that it lacks are empty, as a server would make them."""
    absent = {t.name: t.absent(len(data)) for t in schema.tensors if t.optional}
    return replace(data, inputs={**absent, **data.inputs})


def _taken(schema: Schema) -> list[str]:
    return [c.name for t in schema.tensors for c in t.columns if len(t.shape) == 1]


def rises(
    model: Model,
    spec: ModelSpec,
    data: Dataset,
    permute: Callable[[Batch, np.random.Generator], Batch],
    repeats: int,
) -> list[float]:
    """Return the relative rise of the error for each shuffle."""
    target = np.asarray(data.targets[spec.target])
    base = np.asarray(model.predict(data.inputs)[spec.outputs[0]])
    if base.shape != target.shape or base.dtype.kind != "f" or target.dtype.kind != "f":
        raise ConfigurationError(
            f"{spec.name} predicts {spec.outputs[0]!r} of shape {base.shape}, its target {spec.target!r} has "
            f"{target.shape}: no error can be computed.",
            "Importance by shuffling is for forecasts and regressions.",
        )
    error, rng = _errors(base, target), np.random.default_rng(SEED)
    found = []
    for _ in range(repeats):
        shuffled = np.asarray(model.predict(permute(data.inputs, rng))[spec.outputs[0]])
        found.append(float(np.mean(_errors(shuffled, target) / error - 1.0)))
    return found


def _errors(predicted: FloatArray, target: FloatArray) -> FloatArray:
    """Return the root mean squared error of each horizon, shape (horizons,)."""
    found: FloatArray = np.atleast_1d(np.sqrt(np.mean((predicted - target) ** 2, axis=0)))
    return found


def _shuffled(values: FloatArray, place: int, rng: np.random.Generator) -> FloatArray:
    copy = values.copy()
    copy[:, place] = rng.permutation(copy[:, place])
    return copy


def _keep(number: str, importance: float) -> None:
    import uuid

    from sqlalchemy import update

    from components.records.database import open_database
    from components.records.tables import ml_features

    database = open_database()
    try:
        with database.write() as connection:
            change = update(ml_features).where(ml_features.c.id == uuid.UUID(number))
            kept = connection.execute(change.values(feature_importance_score=importance)).rowcount
    finally:
        database.close()
    if kept != 1:
        raise ConfigurationError(f"ml_features has no feature {number}.", "GET /api/v1/ml/features lists them.")
