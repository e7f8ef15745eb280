"""Binds a request's tensors to a model's input schema: packed tensors or one tensor per column, datatypes, bounds."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import numpy as np

from components.errors import InvalidRequest, MissingValue
from components.models.schema import Schema, Tensor
from inference.v2.datatypes import Array
from inference.v2.request import InferRequest, TensorIn

Inputs = dict[str, Array]


class Binder:
    """Turns the tensors of a request into the batch that the model's schema describes.

    A tensor may come packed (``features`` of shape [n, F]) or, if its rows are one-dimensional and its columns are
    named, as one tensor per column (``rsi_14`` or ``features.rsi_14`` of shape [n] or [n, 1]).
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.tensors = {t.name: t for t in schema.tensors}
        self.single = schema.tensors[0] if len(schema.tensors) == 1 else None
        self.columns: dict[str, tuple[Tensor, int]] = {}
        for tensor in schema.tensors:
            if len(tensor.shape) == 1:
                for j, column in enumerate(tensor.column_names):
                    self.columns[f"{tensor.name}.{column}"] = (tensor, j)
        short = [name.split(".", 1)[1] for name in self.columns]
        self.columns |= {
            name.split(".", 1)[1]: at
            for name, at in list(self.columns.items())
            if short.count(name.split(".", 1)[1]) == 1 and name.split(".", 1)[1] not in self.tensors
        }

        self.optional = tuple(t for t in schema.tensors if t.optional)
        self.variable = any(t.variable for t in schema.tensors)

    def bind(self, request: InferRequest) -> tuple[Inputs, int]:
        """Return the batch and its number of rows.

        Raises
        ------
        InvalidRequest
            For an unknown, missing or repeated input, a wrong shape, or a value that its datatype cannot hold.
        """
        single, inputs = self.single, request.inputs
        if single is not None and len(inputs) == 1 and inputs[0].name == single.name:
            array = _packed(single, inputs[0])
            return {single.name: array}, _rows(array, inputs[0])
        batch: Inputs = {}
        columns: dict[str, dict[int, TensorIn]] = {}
        for tensor_in in inputs:
            self._place(tensor_in, batch, columns)
        for name, found in columns.items():
            batch[name] = _from_columns(self.tensors[name], found)
        if self.optional and batch:
            rows_given = len(next(iter(batch.values())))
            for tensor in self.optional:
                if tensor.name not in batch:
                    batch[tensor.name] = tensor.absent(rows_given)
        for tensor in self.schema.tensors:
            if tensor.name not in batch:
                raise MissingValue(
                    f"required input {tensor.name!r} is missing",
                    f"Send {', '.join(self.schema.names)}; got {', '.join(t.name for t in inputs)}.",
                    path=tensor.name,
                )
        rows = {len(batch[t.name]) for t in self.schema.tensors}
        if len(rows) > 1:
            told = ", ".join(f"{t.name}: {len(batch[t.name])}" for t in self.schema.tensors)
            raise InvalidRequest(f"tensors differ in their rows ({told})", "Send the same rows in each.", path="inputs")
        if self.variable:
            self.schema.check_lengths(batch)
        return batch, _rows(batch[self.schema.names[0]], inputs[0])

    def _place(self, tensor_in: TensorIn, batch: Inputs, columns: dict[str, dict[int, TensorIn]]) -> None:
        name = tensor_in.name
        if name in self.tensors:
            if name in batch or name in columns:
                raise _repeated(tensor_in)
            batch[name] = _packed(self.tensors[name], tensor_in)
        elif name in self.columns:
            tensor, j = self.columns[name]
            found = columns.setdefault(tensor.name, {})
            if j in found or tensor.name in batch:
                raise _repeated(tensor_in)
            found[j] = tensor_in
        else:
            near = get_close_matches(name, [*self.tensors, *self.columns], n=1)
            raise InvalidRequest(
                f"{name!r:.80} is not an input of the model",
                (f"Did you mean {near[0]!r}? " if near else "")
                + f"Send {', '.join(self.schema.names)}, or its columns.",
                path=f"{tensor_in.path}.name",
            )


def _rows(array: Array, tensor_in: TensorIn) -> int:
    if len(array) == 0:
        raise InvalidRequest("there are no rows", "Send at least one row.", path=f"{tensor_in.path}.shape")
    return len(array)


def _repeated(tensor_in: TensorIn) -> InvalidRequest:
    return InvalidRequest(f"{tensor_in.name!r} is sent twice", "Send each input once.", path=f"{tensor_in.path}.name")


def _packed(tensor: Tensor, tensor_in: TensorIn) -> Array:
    shape = tensor_in.shape
    if not shape or not tensor.fits(tuple(shape[1:])):
        want = ", ".join(["n", *("any" if n == -1 else str(n) for n in tensor.shape)])
        raise InvalidRequest(
            f"shape is {list(shape)}, expected [{want}]",
            f"Send the row axis first; {_layout(tensor)}",
            path=f"{tensor_in.path}.shape",
        )
    array = tensor_in.array()
    if tensor_in.datatype == tensor.datatype:
        return array
    return convert(array, tensor, tensor_in)


def _layout(tensor: Tensor) -> str:
    names = tensor.column_names
    if not names:
        return f"each row of {tensor.name!r} has shape {list(tensor.shape)}."
    return f"the columns of {tensor.name!r} are {', '.join(names)}."


def _from_columns(tensor: Tensor, found: dict[int, TensorIn]) -> Array:
    for j, column in enumerate(tensor.column_names):
        if j not in found:
            raise MissingValue(
                f"required column {column!r} is missing", f"Send {_layout(tensor)}", path=f"{tensor.name}.{column}"
            )
    rows = {f.shape[0] if f.shape else 0 for f in found.values()}
    for tensor_in in found.values():
        if len(tensor_in.shape) not in (1, 2) or tensor_in.shape[1:] not in ((), (1,)) or len(rows) > 1:
            raise InvalidRequest(
                f"shape is {list(tensor_in.shape)}, expected [n] or [n, 1]",
                "Send the same rows in each column.",
                path=f"{tensor_in.path}.shape",
            )
    packed = np.empty((rows.pop(), len(found)), dtype=tensor.dtype)
    for j, tensor_in in found.items():
        packed[:, j] = convert(tensor_in.array().reshape(-1), tensor, tensor_in)
    return packed


def convert(array: Array, tensor: Tensor, tensor_in: TensorIn) -> Array:
    """Return the array in the tensor's dtype, if that loses nothing.

    Raises
    ------
    InvalidRequest
        If a value changes on the way, or the two kinds cannot be converted (text, booleans).
    """
    if array.dtype == tensor.dtype:
        return array
    if ("FP" not in tensor.datatype and "INT" not in tensor.datatype) or array.dtype.kind not in "fiu":
        raise InvalidRequest(
            f"datatype is {tensor_in.datatype}, expected {tensor.datatype}",
            f"Send {tensor.datatype}.",
            path=f"{tensor_in.path}.datatype",
        )
    with np.errstate(all="ignore"):
        cast = array.astype(tensor.dtype)
        changed = ~((cast.astype(array.dtype) == array) | (array != array)) | _saturated(array, cast)
    if changed.any():
        index = int(np.argmax(changed.reshape(-1)))
        raise InvalidRequest(
            f"{array.reshape(-1)[index]} ({tensor_in.datatype}) cannot be held by {tensor.datatype} exactly",
            f"Send {tensor.datatype}.",
            path=f"{tensor_in.path}.data[{index}]",
        )
    return cast


def _saturated(array: Array, cast: Array) -> Array:
    """Where a conversion between kinds hit the end of a range, which a round trip may hide (also NaN to an integer)."""
    if cast.dtype.kind == "f":
        return np.zeros(array.shape, dtype=bool)
    limits = np.iinfo(cast.dtype)
    wide: Array = array.astype(np.longdouble)
    outside: Array = ~((wide >= limits.min) & (wide <= limits.max))
    return outside


class Validator:
    """Vectorised checks of a bound batch; :meth:`Schema.validate` is its oracle and words the errors."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.bounds: list[tuple[str, Any, Any]] = []
        for tensor in schema.tensors:
            if tensor.dtype.kind == "f":
                self.bounds.append((tensor.name, *_bounds(tensor)))

    def check(self, batch: Inputs) -> bool:
        """Return whether every value is finite and within its bounds."""
        for name, low, high in self.bounds:
            array = batch[name]
            # NaN compares false with everything, so one comparison on each side decides bounds and finiteness together.
            if not ((array >= low).all() and (array <= high).all()):
                return False
        return True

    def explain(self, batch: Inputs) -> None:
        """Raise the error that belongs to a batch that failed :meth:`check`."""
        self.schema.validate(batch)


def _bounds(tensor: Tensor) -> tuple[Any, Any]:
    largest = np.finfo(tensor.dtype).max
    low = [-largest if c.minimum is None else max(c.minimum, -largest) for c in tensor.columns]
    high = [largest if c.maximum is None else min(c.maximum, largest) for c in tensor.columns]
    if len(set(low)) <= 1 and len(set(high)) <= 1:
        return tensor.dtype.type(low[0] if low else -largest), tensor.dtype.type(high[0] if high else largest)
    return np.array(low, dtype=tensor.dtype), np.array(high, dtype=tensor.dtype)
