"""What is to be explained: the model as a function of packed rows, its background, and one of its output numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from components.errors import ConfigurationError, InvalidRequest
from components.models.schema import Batch, Schema, Tensor
from components.models.spec import ExplainerSpec
from inference.explain.packing import FloatArray, Packing

Predict = Callable[[Batch, str], Batch]
"""Asks the model for one output of a batch, over the inference protocol."""

BATCH_ROWS = 512
"""Rows per request to the predictor."""


@dataclass
class Target:
    """The explained number.

    Attributes
    ----------
    tensor : Tensor
        Output tensor it lies in.
    column : int
        Position on the last axis; 0 for a scalar output.
    relative_to : str
        Input column that is subtracted, so that the predicted *change* is explained and not the level; empty for none.
    """

    tensor: Tensor
    column: int
    relative_to: str = ""

    @property
    def name(self) -> str:
        """For people, for example ``price.1_day - close``."""
        name = self.tensor.name
        if self.tensor.columns:
            name += f".{self.tensor.columns[self.column].name}"
        return f"{name} - {self.relative_to}" if self.relative_to else name

    @property
    def unit(self) -> str:
        """Unit of the explained number, and so of every attribution."""
        return self.tensor.columns[self.column].unit if self.tensor.columns else self.tensor.unit


def find_target(schema: Schema, spec: ExplainerSpec) -> Target:
    """Return the number that the spec names; the first column of the first output where it names none.

    Raises
    ------
    ConfigurationError
        If the artifact's output schema has no such tensor or column.
    """
    name = spec.output or schema.tensors[0].name
    if name not in schema.names:
        raise ConfigurationError(
            f"The spec explains the output {name!r}, the artifact has {', '.join(schema.names)}.", "Correct the spec."
        )
    tensor = schema[name]
    if not spec.column:
        return Target(tensor, 0)
    if spec.column not in tensor.column_names:
        raise ConfigurationError(
            f"The spec explains the column {spec.column!r} of {name!r}, the artifact has "
            f"{', '.join(tensor.column_names) or 'no columns'}.",
            "Correct the spec.",
        )
    return Target(tensor, tensor.column_names.index(spec.column))


@dataclass
class Problem:
    """An explained number with all that a method needs.

    Attributes
    ----------
    packing : Packing
        Layout of the rows.
    background : ndarray of shape (b, width)
        Packed training rows that stand for "feature unknown".
    predict : callable
        The model over the protocol.
    target : Target
        The explained number.
    seed : int
        Of everything random: the same request gets the same explanation.
    budget_rows : int
        Model rows that one explanation may cost.
    outputs : Schema
        What the model returns; a request may choose another number of it.
    calls : int
        Model rows asked so far.
    model_directory : Path or None
        What the model saved, for a method that needs the model itself.
    """

    packing: Packing
    background: FloatArray
    predict: Predict
    target: Target
    seed: int = 7
    budget_rows: int = 8192
    task: str = "regression"
    outputs: Schema = field(default_factory=lambda: Schema(()))
    calls: int = field(default=0)
    model_directory: Path | None = None

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Return the explained number for packed rows of shape (n, width); shape (n,)."""
        answers = []
        for start in range(0, len(rows), BATCH_ROWS):
            part = rows[start : start + BATCH_ROWS]
            name = self.target.tensor.name
            output = self.predict(self.packing.unpack(part), name)[name].astype(np.float64)
            answers.append(output.reshape(len(part), -1)[:, self.target.column])
        self.calls += len(rows)
        values = np.concatenate(answers)
        if self.target.relative_to:
            values = values - rows[:, self.column(self.target.relative_to)]
        return np.asarray(values, dtype=np.float64)

    def column(self, name: str) -> int:
        """Return the packed position of an input column.

        Raises
        ------
        InvalidRequest
            If no input column has that name.
        """
        for group in self.packing.groups:
            if group.name == name and group.single:
                return group.start
        known = ", ".join(g.name for g in self.packing.groups if g.single)
        raise InvalidRequest(f"there is no input column {name!r}", f"Use one of {known}.", path="relative_to")

    def asked(self, output: str, relative_to: str) -> Problem:
        """Return the problem of explaining another output, or its change against an input column.

        Parameters
        ----------
        output : str
            ``tensor`` or ``tensor.column``; empty for the spec's.
        relative_to : str
            Input column that is subtracted; empty for none.

        Raises
        ------
        InvalidRequest
            If there is no such output or input column.
        """
        target = self.target
        if output:
            tensor, _, column = output.partition(".")
            try:
                target = find_target(self.outputs, ExplainerSpec(output=tensor, column=column))
            except ConfigurationError as error:
                raise InvalidRequest(
                    f"there is no output {output!r}", f"Use one of {', '.join(self.outputs.names)}.", path="output"
                ) from error
        if relative_to:
            self.column(relative_to)
        return replace(self, calls=0, target=replace(target, relative_to=relative_to))

    def subsample(self, rows: int) -> FloatArray:
        """Return at most ``rows`` background rows, evenly spaced over time."""
        keep = np.unique(np.linspace(0, len(self.background) - 1, max(rows, 1)).round().astype(int))
        thinned: FloatArray = self.background[keep]
        return thinned
