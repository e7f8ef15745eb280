"""Packs a model's fixed numeric inputs into one matrix, as the tabular explainers want them, and back.

What is text, or as long as a request makes it (a portfolio's holdings), is no column that a method could move: such
tensors are *held*. They travel beside the matrix as a row's context, and go to the model as the instance has them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import InvalidRequest
from components.models.schema import Batch, Schema, Tensor

FloatArray = npt.NDArray[np.float64]
Context = Mapping[str, npt.NDArray[Any]]
"""Held tensors by name, the row axis first."""


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
    """The layout of the packed matrix: fixed numeric tensors in schema order, each flattened row by row.

    Parameters
    ----------
    schema : Schema
        Input schema of the model.

    Attributes
    ----------
    tensors, held : tuple of Tensor
        What is packed; what stays as the instance has it, because it is text or of no fixed length.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.tensors = tuple(t for t in schema.tensors if _is_packed(t))
        self.held = tuple(t for t in schema.tensors if not _is_packed(t))
        groups: list[Group] = []
        names = [c for t in self.tensors if len(t.shape) == 1 for c in t.column_names]
        start = 0
        for tensor in self.tensors:
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
        parts = [np.asarray(batch[t.name], dtype=np.float64) for t in self.tensors]
        if not parts:
            return np.empty((len(next(iter(batch.values()))), 0))
        return np.concatenate([p.reshape(len(p), -1) for p in parts], axis=1)

    def unpack(self, matrix: FloatArray) -> dict[str, npt.NDArray[Any]]:
        """Return the packed tensors of a matrix, in the schema's dtypes."""
        batch: dict[str, npt.NDArray[Any]] = {}
        start = 0
        for tensor in self.tensors:
            width = int(np.prod(tensor.shape))
            values = matrix[:, start : start + width].reshape(len(matrix), *tensor.shape)
            batch[tensor.name] = np.ascontiguousarray(values.astype(tensor.dtype))
            start += width
        return batch

    def context(self, batch: Batch) -> Context:
        """Return the held tensors of a batch; an optional one that it lacks is empty."""
        rows = len(next(iter(batch.values())))
        return {
            t.name: np.asarray(batch[t.name], dtype=t.dtype) if t.name in batch else t.absent(rows) for t in self.held
        }

    def join(self, matrix: FloatArray, context: Context) -> dict[str, npt.NDArray[Any]]:
        """Return a whole batch: the packed tensors of a matrix, and beside each row its context.

        Parameters
        ----------
        matrix : ndarray of shape (rows, width)
        context : mapping of str to ndarray
            Of as many rows, or of one, which every row shares.
        """
        batch = self.unpack(matrix)
        for tensor in self.held:
            values = context[tensor.name]
            batch[tensor.name] = np.repeat(values, len(matrix), axis=0) if len(values) == 1 else values
        return {name: batch[name] for name in self.schema.names}

    def read_instance(self, instance: Any, path: str) -> dict[str, npt.NDArray[Any]]:
        """Turn one JSON instance into a batch of one row.

        Parameters
        ----------
        instance : dict or list
            Tensors by name, each a (nested) list or, for a tensor with columns, a mapping of every column to a number;
            optional ones may be missing. Or one packed row, where the model takes nothing beside it.
        path : str
            Where the instance stands in the request, for error messages.

        Raises
        ------
        InvalidRequest
            With the path of what does not fit.
        """
        if isinstance(instance, Mapping):
            return {t.name: _read_tensor(t, instance, f"{path}.{t.name}") for t in self.schema.tensors}
        if self.held:
            raise InvalidRequest(
                f"a packed row leaves out {', '.join(t.name for t in self.held)}",
                f"Send an object with {', '.join(self.schema.names)}.",
                path=path,
            )
        row = _numbers(instance, path)
        if row.shape != (self.width,):
            raise InvalidRequest(
                f"a packed row has {self.width} numbers, got shape {list(row.shape)}",
                f"Or send an object with {', '.join(self.schema.names)}.",
                path=path,
            )
        return self.unpack(row[None, :])


def _is_packed(tensor: Tensor) -> bool:
    return tensor.datatype != "BYTES" and not tensor.variable


def _read_tensor(tensor: Tensor, instance: Mapping[str, Any], path: str) -> npt.NDArray[Any]:
    if tensor.name not in instance:
        if tensor.optional:
            return tensor.absent(1)
        raise InvalidRequest(f"required input {tensor.name!r} is missing", f"Got {', '.join(instance)}.", path=path)
    value = instance[tensor.name]
    if isinstance(value, Mapping) and tensor.columns:
        missing = [c for c in tensor.column_names if c not in value]
        if missing:
            raise InvalidRequest(f"column {missing[0]!r} is missing", path=path)
        value = [_number(value[c], f"{path}.{c}") for c in tensor.column_names]
    array = _texts(value, path) if tensor.datatype == "BYTES" else _numbers(value, path)
    if array.size == 0 and tensor.optional:
        return tensor.absent(1)
    if array.ndim == len(tensor.shape) + 1 and len(array) == 1:
        array = array.reshape(array.shape[1:])
    if not tensor.fits(array.shape):
        want = ", ".join("n" if n == -1 else str(n) for n in tensor.shape)
        raise InvalidRequest(f"shape is {list(array.shape)}, expected [{want}]", path=path)
    return array[None].astype(tensor.dtype)


def _texts(value: Any, path: str) -> npt.NDArray[Any]:
    array = np.array(value, dtype=object)
    wrong = [v for v in array.reshape(-1).tolist() if not isinstance(v, str)]
    if wrong:
        raise InvalidRequest(f"expected text, got {str(wrong[0])[:60]!r}", path=path)
    return array


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
