"""The one number of a prediction that a rollout compares, read from the bytes of a V2 request and its answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import orjson

from components.errors import ConfigurationError
from components.models.schema import DTYPES, Schema
from components.models.spec import ModelSpec

BINARY_HEADER = "inference-header-content-length"
"""Length of the JSON part of a V2 message with binary tensors."""


@dataclass(frozen=True)
class Cell:
    """One value of the first row: tensor and position in the row; or column, where a client sends those one by one."""

    tensor: str
    position: int
    column: str = ""


class Readable(Protocol):
    """A request or an answer: bytes on a router's way, or a row of arrays in a predictor."""

    def value(self, cell: Cell) -> float | None:
        """Return one value of the first row; None if it is not there."""
        ...


@dataclass(frozen=True)
class Quantity:
    """An output value of the first row, divided by an input value of it where ``relative_to`` is given."""

    output: Cell
    relative_to: Cell | None = None

    def measure(self, request: Readable, answer: Readable) -> tuple[float | None, bool]:
        """Return the number, and whether the answer is unusable (the number is null, NaN or infinite).

        The number is None, and the answer not to blame, when the request did not ask for that output or lacks a
        reference value that can be divided by.
        """
        value = answer.value(self.output)
        if value is None:
            return None, False
        if not math.isfinite(value):
            return None, True
        if self.relative_to is None:
            return value, False
        reference = request.value(self.relative_to)
        if not reference or not math.isfinite(reference):
            return None, False
        number = value / reference
        return (number, False) if math.isfinite(number) else (None, False)

    def to_json(self) -> str:
        """Return the form that the router's command line takes."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def from_json(cls, text: str) -> Quantity:
        """Inverse of :meth:`to_json`."""
        raw = orjson.loads(text)
        return cls(Cell(**raw["output"]), Cell(**raw["relative_to"]) if raw["relative_to"] else None)


@dataclass(frozen=True)
class Message:
    """A V2 body with its headers (lower-case names)."""

    body: bytes
    headers: Mapping[str, str]

    def value(self, cell: Cell) -> float | None:
        """Return one value of the first row; None if the message does not hold it."""
        try:
            size = int(self.headers.get(BINARY_HEADER, len(self.body)))
            document = orjson.loads(self.body[:size])
            tensors = document.get("outputs", document.get("inputs", []))
            return self._find(tensors, cell, size)
        except (ValueError, TypeError, AttributeError, KeyError, IndexError):
            return None  # not V2: nothing to compare; the predictor's own 400 says what is wrong

    def _find(self, tensors: list[dict[str, Any]], cell: Cell, offset: int) -> float | None:
        for tensor in tensors:
            length = (tensor.get("parameters") or {}).get("binary_data_size")
            packed = tensor["name"] == cell.tensor
            if packed or (cell.column and tensor["name"] in (cell.column, f"{cell.tensor}.{cell.column}")):
                position = cell.position if packed else 0
                if length is None:
                    return _nested(tensor["data"], position)
                dtype = np.dtype(DTYPES[tensor["datatype"]])
                return float(np.frombuffer(self.body, dtype, 1, offset + position * dtype.itemsize)[0])
            offset += length or 0
        return None


def _nested(data: Any, position: int) -> float:
    row = data
    while isinstance(row[0], list):
        row = row[0]
    return math.nan if row[position] is None else float(row[position])


def quantity_for(spec: ModelSpec, inputs: Schema, outputs: Schema) -> Quantity:
    """Resolve what ``spec.rollout`` names against an artifact's schema.

    Raises
    ------
    ConfigurationError
        If a tensor or column is not in the schema.
    """
    wanted = spec.rollout
    output = wanted.output or spec.outputs[0]
    relative = None
    if wanted.relative_to:
        tensor, _, column = wanted.relative_to.partition(".")
        relative = _cell(inputs, tensor, column, f"{spec.name}: rollout.relative_to")
    return Quantity(_cell(outputs, output, wanted.column, f"{spec.name}: rollout.output"), relative)


def _cell(schema: Schema, tensor: str, column: str, where: str) -> Cell:
    if tensor not in schema.names:
        raise ConfigurationError(f"{where} names the tensor {tensor!r}.", f"Use one of {', '.join(schema.names)}.")
    names = schema[tensor].column_names
    if column and column not in names:
        raise ConfigurationError(f"{where} names the column {column!r}.", f"Use one of {', '.join(names)}.")
    return Cell(tensor, names.index(column) if column else 0, column)
