"""Schemas of model inputs and outputs: names, V2 datatypes, shapes, columns, units, and their validation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.errors import InvalidRequest, MissingValue

Batch = Mapping[str, npt.NDArray[Any]]
"""Tensors by name; the first axis of each is the row."""

DTYPES: dict[str, Any] = {
    "BOOL": np.bool_,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
}
"""Open Inference Protocol datatypes and their numpy types; ``BYTES`` holds ``str`` values."""


@dataclass(frozen=True)
class Column:
    """One named value on the last axis of a tensor.

    Attributes
    ----------
    name : str
        Unique within the tensor.
    unit : str
        For example ``"index points"``, ``"decimal"``, ``"annualised decimal"``.
    description : str
        The definition, in one line.
    minimum, maximum : float or None
        Closed bounds outside which a value is refused; None for no bound.
    """

    name: str
    unit: str = ""
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Tensor:
    """One named tensor; ``shape`` is without the leading row axis.

    Attributes
    ----------
    name : str
        Tensor name on the wire.
    datatype : str
        A key of :data:`DTYPES`.
    shape : tuple of int
        Shape of one row; ``()`` for a scalar per row. An axis of ``-1`` is as long as the request makes it (the number
        of a portfolio's holdings); every such axis of a request has the same length, or is empty.
    columns : tuple of Column
        Names of the last axis; empty when it has none.
    unit, description : str
        As in :class:`Column`.
    """

    name: str
    datatype: str
    shape: tuple[int, ...] = ()
    columns: tuple[Column, ...] = ()
    unit: str = ""
    description: str = ""

    def __post_init__(self) -> None:
        if self.datatype not in DTYPES:
            raise ValueError(
                f"tensor {self.name!r}: unknown datatype {self.datatype!r}; use one of {', '.join(DTYPES)}"
            )
        if any(n < -1 for n in self.shape):
            raise ValueError(f"tensor {self.name!r}: shape {self.shape} has a negative axis; -1 alone means any length")
        if self.columns and (not self.shape or self.shape[-1] != len(self.columns)):
            raise ValueError(f"tensor {self.name!r}: {len(self.columns)} columns do not fit shape {self.shape}")

    @property
    def dtype(self) -> np.dtype[Any]:
        """Numpy dtype of the tensor."""
        kind: np.dtype[Any] = np.dtype(DTYPES[self.datatype])
        return kind

    @property
    def variable(self) -> bool:
        """Whether a request decides the length of an axis."""
        return -1 in self.shape

    @property
    def optional(self) -> bool:
        """Whether a request may leave the tensor out, which stands for axes of length 0."""
        return bool(self.shape) and all(n == -1 for n in self.shape)

    def fits(self, shape: tuple[int, ...]) -> bool:
        """Tell whether one row may have this shape."""
        return shape == self.shape or (
            len(shape) == len(self.shape) and all(n in (-1, m) for n, m in zip(self.shape, shape, strict=True))
        )

    def absent(self, rows: int) -> npt.NDArray[Any]:
        """Return what an optional tensor is when a request leaves it out: no value in any row."""
        return np.empty((rows, *(0 for _ in self.shape)), dtype=self.dtype)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(c.name for c in self.columns)


@dataclass(frozen=True)
class Schema:
    """An ordered set of tensors."""

    tensors: tuple[Tensor, ...]

    def __getitem__(self, name: str) -> Tensor:
        for tensor in self.tensors:
            if tensor.name == name:
                return tensor
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Tensor names, in order."""
        return tuple(t.name for t in self.tensors)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return asdict(self)

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Schema:
        """Inverse of :meth:`to_dict`."""
        return cls(
            tuple(
                Tensor(**{**t, "shape": tuple(t["shape"]), "columns": tuple(Column(**c) for c in t["columns"])})
                for t in raw["tensors"]
            )
        )

    def validate(self, batch: Batch) -> None:
        """Check names, dtypes, shapes, finiteness and bounds of a batch.

        Parameters
        ----------
        batch : mapping of str to ndarray
            Tensors with the row axis first; all of the same number of rows.

        Raises
        ------
        InvalidRequest
            With the path of the first offending value, for example ``features.rsi_14[2]``.
        """
        missing = [n for n in self.names if n not in batch]
        if missing:
            raise MissingValue(
                f"required input {missing[0]!r} is missing",
                f"Send {', '.join(self.names)}; got {', '.join(sorted(batch)) or 'nothing'}.",
                path=missing[0],
            )
        rows = len(batch[self.tensors[0].name])
        for tensor in self.tensors:
            _validate_tensor(tensor, batch[tensor.name], rows)
        self.check_lengths(batch)

    def check_lengths(self, batch: Batch) -> None:
        """Check that the axes whose length a request decides agree; an empty one stands for "not given".

        Raises
        ------
        InvalidRequest
            With the two tensors that differ.
        """
        first: tuple[str, int] | None = None
        for tensor in self.tensors:
            for axis, length in enumerate(tensor.shape):
                found = batch[tensor.name].shape[1 + axis] if length == -1 else 0
                if not found:
                    continue
                first = first or (tensor.name, found)
                if found != first[1]:
                    raise InvalidRequest(
                        f"it has {found} values along an axis where {first[0]!r} has {first[1]}",
                        "Give both the same length, one value for each holding.",
                        path=tensor.name,
                    )


def _validate_tensor(tensor: Tensor, array: npt.NDArray[Any], rows: int) -> None:
    if not tensor.fits(array.shape[1:]) or len(array) != rows:
        want = ", ".join("n" if n == -1 else str(n) for n in (rows, *tensor.shape))
        raise InvalidRequest(
            f"shape is [{', '.join(map(str, array.shape))}], expected [{want}]",
            "Send every tensor with the row axis first and the same number of rows.",
            path=tensor.name,
        )
    if array.dtype != tensor.dtype:
        raise InvalidRequest(f"dtype is {array.dtype}, expected {tensor.datatype}", path=tensor.name)
    if array.dtype.kind != "f":
        return
    # One reduction decides the usual case: a sum is finite exactly when no value is NaN or infinite (barring overflow).
    if not np.isfinite(array.sum()):
        bad = np.argwhere(~np.isfinite(array))
        if len(bad):
            raise (MissingValue if np.isnan(array[tuple(bad[0])]) else InvalidRequest)(
                f"value {array[tuple(bad[0])]} is not a finite number",
                "Impute or drop the row; models never see NaN or infinity.",
                path=value_path(tensor, bad[0]),
            )
    for j, column in enumerate(tensor.columns):
        if column.minimum is None and column.maximum is None:
            continue
        values = array[..., j]
        low = -np.inf if column.minimum is None else column.minimum
        high = np.inf if column.maximum is None else column.maximum
        outside = np.argwhere((values < low) | (values > high))
        if len(outside):
            index = (*outside[0], j)
            raise InvalidRequest(
                f"value {array[index]} is outside [{low}, {high}] {column.unit}".rstrip(),
                "Check the unit of the value.",
                path=value_path(tensor, index),
            )


def value_path(tensor: Tensor, index: Any) -> str:
    """Name one value of a tensor, for example ``features.rsi_14[2]`` for row 2 of column ``rsi_14``.

    Parameters
    ----------
    tensor : Tensor
        The tensor the value lies in.
    index : sequence of int
        Full index, row first.
    """
    index = [int(i) for i in index]
    if tensor.columns:
        *rest, last = index
        return f"{tensor.name}.{tensor.columns[last].name}" + "".join(f"[{i}]" for i in rest)
    return tensor.name + "".join(f"[{i}]" for i in index)
