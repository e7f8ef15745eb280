"""DirectModel: the base of a model whose one candidate answers every number itself.

A risk figure is no blend of risk figures: such a model has one candidate, whose answer already has the shape of the
model's outputs. What it says in words is added by :meth:`DirectModel.describe`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.contract import FloatArray, Outputs
from components.models.schema import Batch, Schema
from components.models.single import SingleModel


class Answering(Protocol):
    """What a direct model needs of its candidate."""

    def answer(self, inputs: Batch) -> Outputs:
        """Return the model's numeric outputs, in the order of its output schema."""
        ...


class DirectMember(ABC):
    """A candidate that answers every numeric output of its model; constructed with the hyper-parameters."""

    @abstractmethod
    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn from ``train``; ``validation`` is for early stopping and calibration."""

    @abstractmethod
    def answer(self, inputs: Batch) -> Outputs:
        """Return the model's numeric outputs, in the order of its output schema; pure, row-wise and thread-safe."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the serving form, in safe formats only, into an existing empty directory."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`. Imports no training library."""

    def predict(self, inputs: Batch) -> FloatArray:
        """Return the answer as one row of numbers each, shape (rows, all numbers of a row)."""
        return flatten(self.answer(inputs))


class DirectModel(SingleModel):
    """A model whose candidate derives from :class:`DirectMember`."""

    def describe(self, outputs: Outputs, inputs: Batch) -> Outputs:
        """Return the outputs that are words, from the numbers; none by default."""
        return {}

    def finish(self, predictions: Mapping[str, FloatArray], inputs: Batch) -> Outputs:
        """Shape the candidate's rows of numbers as the outputs, and add the words."""
        return self._complete(unflatten(predictions["model"], self.output_schema, inputs), inputs)

    def predict(self, inputs: Batch) -> Outputs:
        """Predict a batch."""
        member: Any = self.member
        return self._complete(member.answer(inputs), inputs)

    def _complete(self, numbers: Outputs, inputs: Batch) -> Outputs:
        known = {**numbers, **self.describe(numbers, inputs)}
        return {tensor.name: known[tensor.name] for tensor in self.output_schema.tensors}


def flatten(outputs: Outputs) -> FloatArray:
    """Lay every output of a row side by side, in their order."""
    parts = [
        np.asarray(values, dtype=np.float64).reshape(len(values), int(np.prod(values.shape[1:])))
        for values in outputs.values()
    ]
    return np.concatenate(parts, axis=1)


def unflatten(rows: FloatArray, schema: Schema, inputs: Batch) -> Outputs:
    """Inverse of :func:`flatten`; an axis of any length is as long as the inputs' is.

    Parameters
    ----------
    rows : ndarray of shape (rows, all numbers of a row)
        In the order of the schema's tensors that are no text.
    schema : Schema
        Of the outputs.
    inputs : mapping of str to ndarray
        Of the same rows.
    """
    numeric = [tensor for tensor in schema.tensors if tensor.datatype != "BYTES"]
    fixed = sum(abs(int(np.prod(t.shape))) for t in numeric if not t.variable)
    per_unit = sum(abs(int(np.prod(t.shape))) for t in numeric if t.variable)
    length = (rows.shape[1] - fixed) // per_unit if per_unit else 0
    outputs: Outputs = {}
    start = 0
    for tensor in numeric:
        shape = tuple(length if n == -1 else n for n in tensor.shape)
        width = int(np.prod(shape))
        outputs[tensor.name] = rows[:, start : start + width].reshape(len(rows), *shape).astype(tensor.dtype)
        start += width
    return outputs
