"""Packs a model's input tensors into one matrix, as the tabular explainers want them, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import ConfigurationError, InvalidRequest
from components.models.schema import Batch, Schema, Tensor

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Group:
    """What is explained as one feature: a column, or a whole tensor of more axes (for example a ``window``).

    Attributes
    ----------
    name : str
        Column name, with its tensor in front where two tensors have a column of that name.
    unit, description : str
        Of the column or tensor.
    start, stop : int
        Its columns in the packed matrix.
    """

    name: str
    unit: str
    description: str
    start: int
    stop: int

    @property
    def single(self) -> bool:
        """Whether the group is one number."""
        return self.stop - self.start == 1


class Packing:
    """The layout of the packed matrix: tensors in schema order, each flattened row by row.

    Parameters
    ----------
    schema : Schema
        Input schema of the model.

    Raises
    ------
    ConfigurationError
        If a tensor holds text: the tabular methods need numbers.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        groups: list[Group] = []
        names = [c for t in schema.tensors if len(t.shape) == 1 for c in t.column_names]
        start = 0
        for tensor in schema.tensors:
            if tensor.datatype == "BYTES":
                raise ConfigurationError(
                    f"Input {tensor.name!r} holds text, which no kind of explainer here can explain.",
                    "Declare another explainer for this model.",
                )
            width = int(np.prod(tensor.shape))
            if len(tensor.shape) == 1 and tensor.columns:
                for offset, column in enumerate(tensor.columns):
                    name = column.name if names.count(column.name) == 1 else f"{tensor.name}.{column.name}"
                    at = start + offset
                    groups.append(Group(name, column.unit, column.description, at, at + 1))
            else:
                groups.append(Group(tensor.name, tensor.unit, tensor.description, start, start + width))
            start += width
        self.groups = tuple(groups)
        self.width = start

    @property
    def owner(self) -> npt.NDArray[np.intp]:
        """Group number of each packed column; shape (width,)."""
        return np.repeat(np.arange(len(self.groups)), [g.stop - g.start for g in self.groups])

    def pack(self, batch: Batch) -> FloatArray:
        """Return a matrix of shape (rows, width)."""
        parts = [np.asarray(batch[t.name], dtype=np.float64) for t in self.schema.tensors]
        return np.concatenate([p.reshape(len(p), -1) for p in parts], axis=1)

    def unpack(self, matrix: FloatArray) -> dict[str, npt.NDArray[Any]]:
        """Inverse of :meth:`pack`, in the schema's dtypes."""
        batch: dict[str, npt.NDArray[Any]] = {}
        start = 0
        for tensor in self.schema.tensors:
            width = int(np.prod(tensor.shape))
            values = matrix[:, start : start + width].reshape(len(matrix), *tensor.shape)
            batch[tensor.name] = np.ascontiguousarray(values.astype(tensor.dtype))
            start += width
        return batch

    def read_instance(self, instance: Any, path: str) -> dict[str, npt.NDArray[Any]]:
        """Turn one JSON instance into a batch of one row.

        Parameters
        ----------
        instance : dict or list
            Tensors by name, each a (nested) list or, for a tensor with columns, a mapping of every column to a number;
            or one packed row.
        path : str
            Where the instance stands in the request, for error messages.

        Raises
        ------
        InvalidRequest
            With the path of what does not fit.
        """
        if isinstance(instance, Mapping):
            return {t.name: _read_tensor(t, instance, f"{path}.{t.name}") for t in self.schema.tensors}
        row = _numbers(instance, path)
        if row.shape != (self.width,):
            raise InvalidRequest(
                f"a packed row has {self.width} numbers, got shape {list(row.shape)}",
                f"Or send an object with {', '.join(self.schema.names)}.",
                path=path,
            )
        return self.unpack(row[None, :])


def _read_tensor(tensor: Tensor, instance: Mapping[str, Any], path: str) -> npt.NDArray[Any]:
    if tensor.name not in instance:
        raise InvalidRequest(f"required input {tensor.name!r} is missing", f"Got {', '.join(instance)}.", path=path)
    value = instance[tensor.name]
    if isinstance(value, Mapping) and tensor.columns:
        missing = [c for c in tensor.column_names if c not in value]
        if missing:
            raise InvalidRequest(f"column {missing[0]!r} is missing", path=path)
        value = [_number(value[c], f"{path}.{c}") for c in tensor.column_names]
    array = _numbers(value, path)
    if array.shape == (1, *tensor.shape):
        array = array[0]
    if array.shape != tensor.shape:
        raise InvalidRequest(f"shape is {list(array.shape)}, expected {list(tensor.shape)}", path=path)
    return array[None].astype(tensor.dtype)


def _number(value: Any, path: str) -> float:
    if isinstance(value, bool | int | float):
        return float(value)
    raise InvalidRequest(f"{value!r} is not a number", path=path)


def _numbers(value: Any, path: str) -> FloatArray:
    try:
        array = np.array(value)
    except ValueError as error:
        raise InvalidRequest("rows of different lengths", "Send a rectangular array.", path=path) from error
    if array.dtype.kind not in "iufb":
        raise InvalidRequest(f"expected numbers, got {str(value)[:60]!r}", path=path)
    return array.astype(np.float64)
