"""Requests that name an entity and a time instead of carrying features: decoding, and turning looked-up rows into
tensors."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from components.errors import ConfigurationError, InvalidRequest
from components.models.schema import Batch, Column, Schema, Tensor
from inference.v2 import InferRequest, TensorIn

if TYPE_CHECKING:
    import pandas as pd

ENTITY, TIMESTAMP = "entity", "timestamp"
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
SEND = (
    f"Send {ENTITY} (BYTES [n]) and {TIMESTAMP} (BYTES [n], ISO 8601 in UTC such as 2018-12-31T21:00:00Z, or INT64 "
    "[n], nanoseconds since 1970)."
)


@dataclass(frozen=True)
class Keys:
    """What is to be looked up: one entity and one time (UTC, without zone) per row; and what was sent beside them."""

    entities: list[str]
    times: list[np.datetime64]
    beside: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


def read_keys(request: InferRequest, optional: Collection[str] = ()) -> Keys | None:
    """Return the entities and times of a request; None if it carries features.

    Parameters
    ----------
    request : InferRequest
    optional : collection of str
        Optional inputs of the model, which a request may send beside the entity: no feature store knows them.

    Raises
    ------
    InvalidRequest
        If it mixes both, or a value does not fit; with the path of the value.
    """
    inputs = {tensor.name: tensor for tensor in request.inputs}
    if ENTITY not in inputs and TIMESTAMP not in inputs:
        return None
    for name in (ENTITY, TIMESTAMP):
        if name not in inputs:
            raise InvalidRequest(f"required input {name!r} is missing", SEND, path=name)
    for tensor in request.inputs:
        if tensor.name not in (ENTITY, TIMESTAMP, *optional):
            raise InvalidRequest(
                f"{tensor.name!r} beside {ENTITY!r}: features are looked up or sent, not both",
                SEND,
                path=f"{tensor.path}.name",
            )
    entities, times = _vector(inputs[ENTITY]), _vector(inputs[TIMESTAMP])
    if len(entities) != len(times) or not entities:
        raise InvalidRequest(
            f"{len(entities)} entities and {len(times)} timestamps", SEND, path=f"{inputs[TIMESTAMP].path}.shape"
        )
    return Keys(
        [_entity(v, f"{inputs[ENTITY].path}.data[{i}]") for i, v in enumerate(entities)],
        [_time(v, f"{inputs[TIMESTAMP].path}.data[{i}]") for i, v in enumerate(times)],
        {name: _beside(inputs[name], len(entities)) for name in optional if name in inputs},
    )


def _beside(tensor: TensorIn, rows: int) -> np.ndarray[Any, Any]:
    if not tensor.shape or tensor.shape[0] != rows:
        raise InvalidRequest(
            f"shape is {list(tensor.shape)} beside {rows} entities",
            "Send the row axis first, one row an entity.",
            path=f"{tensor.path}.shape",
        )
    return tensor.array()


def _vector(tensor: TensorIn) -> list[Any]:
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ((), (1,)):
        raise InvalidRequest(f"shape is {list(tensor.shape)}, expected [n]", SEND, path=f"{tensor.path}.shape")
    allowed = ("BYTES", "INT64") if tensor.name == TIMESTAMP else ("BYTES",)
    if tensor.datatype not in allowed:
        raise InvalidRequest(
            f"datatype is {tensor.datatype}, expected {' or '.join(allowed)}", SEND, path=f"{tensor.path}.datatype"
        )
    values: list[Any] = tensor.array().reshape(-1).tolist()
    return values


def _entity(value: Any, path: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidRequest(f"{value!r} is no entity", SEND, path=path)
    return value


def _time(value: Any, path: str) -> np.datetime64:
    try:
        moment = (
            datetime.fromisoformat(value.strip())
            if isinstance(value, str)
            else datetime.fromtimestamp(value / 1e9, UTC)
        )
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidRequest(f"{value!r} is no time", SEND, path=path) from error
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if not EARLIEST <= moment < LATEST:
        raise InvalidRequest(f"{value!r} lies outside {EARLIEST.year} to {LATEST.year}", SEND, path=path)
    if isinstance(value, int):
        return np.datetime64(value, "ns")
    return np.datetime64(moment.replace(tzinfo=None), "ns")


def schema_from_metadata(metadata: Mapping[str, Any]) -> Schema:
    """Return the input schema that a predictor publishes in its V2 metadata."""
    tensors = []
    for entry in metadata["inputs"]:
        parameters = entry.get("parameters") or {}
        columns = tuple(Column(**column) for column in parameters.get("columns", ()))
        tensors.append(Tensor(entry["name"], entry["datatype"], tuple(entry["shape"][1:]), columns))
    return Schema(tuple(tensors))


def tensors_from_rows(rows: pd.DataFrame, schema: Schema) -> Batch:
    """Turn looked-up rows into the model's tensors.

    A tensor of one row axis and named columns takes the features of those names; any other (a window, a scalar) takes
    the feature of its own name. An optional tensor that the features lack stays empty.

    Raises
    ------
    ConfigurationError
        If the feature service has no feature that the model needs.
    """
    batch: dict[str, np.ndarray[Any, Any]] = {}
    for tensor in schema.tensors:
        if tensor.optional and tensor.name not in rows.columns:
            batch[tensor.name] = tensor.absent(len(rows))
            continue
        by_column = len(tensor.shape) == 1 and bool(tensor.columns)
        wanted = tensor.column_names if by_column else (tensor.name,)
        missing = [name for name in wanted if name not in rows.columns]
        if missing:
            raise ConfigurationError(
                f"The feature store has no feature {missing[0]!r}, which input {tensor.name!r} of the model needs.",
                "Let the model's feature service and its schema name the same features.",
            )
        if by_column:
            batch[tensor.name] = rows[list(wanted)].to_numpy(dtype=tensor.dtype)
        else:
            values = np.stack([np.asarray(value, dtype=tensor.dtype) for value in rows[tensor.name]])
            batch[tensor.name] = values.reshape(len(rows), *tensor.shape)
    return batch
