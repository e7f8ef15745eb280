"""What is to be explained: the model as a function of packed rows, its background, and one of its output numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from components.errors import ConfigurationError, InvalidRequest
from components.models.schema import Batch, Schema, Tensor
from components.models.spec import ExplainerSpec
from inference.explain.packing import Context, FloatArray, Packing

Predict = Callable[[Batch, tuple[str, ...]], Batch]
"""Asks the model for some outputs of a batch, over the inference protocol."""

Places = npt.NDArray[np.intp]
"""Numbers of background rows."""

BATCH_ROWS = 512
"""Rows per request to the predictor."""

BATCH_VALUES = 2**20
"""Values of context per request to the predictor; fewer rows are sent where each carries many."""


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


@dataclass(frozen=True)
class Parts:
    """The model's own parts of the number that it is explained by.

    Attributes
    ----------
    values : str
        Output tensor whose values add up to it.
    labels : str
        Text tensor, among inputs or outputs, that says whose each value is; empty where the columns' names do.
    of : Target
        The number.
    """

    values: str
    labels: str
    of: Target


def find_parts(inputs: Schema, outputs: Schema, spec: ExplainerSpec) -> Parts | None:
    """Return the parts that the spec names; None where it names none.

    Raises
    ------
    ConfigurationError
        If the artifact has no such tensors, or they do not fit each other.
    """
    if not spec.contributions:
        return None
    if spec.contributions not in outputs.names:
        raise ConfigurationError(
            f"The spec's contributions are {spec.contributions!r}, the artifact's outputs {', '.join(outputs.names)}.",
            "Correct the spec.",
        )
    values, of = outputs[spec.contributions], find_target(outputs, spec)
    if not spec.labels and values.columns:
        return Parts(values.name, "", of)
    texts = {t.name: t for t in (*inputs.tensors, *outputs.tensors) if t.datatype == "BYTES"}
    if spec.labels not in texts:
        raise ConfigurationError(
            f"The spec's labels are {spec.labels!r}, the artifact's texts {', '.join(texts) or 'none'}.",
            "Name the text tensor, an input or an output, that says whose each contribution is.",
        )
    labels = texts[spec.labels]
    if len(values.shape) != 1 or values.shape != labels.shape:
        raise ConfigurationError(
            f"{values.name!r} has the shape {list(values.shape)}, its labels {labels.name!r} {list(labels.shape)}.",
            "Let both have one axis of the same length.",
        )
    return Parts(values.name, labels.name, of)


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
    context : mapping of str to ndarray
        Held tensors of the instance, one row, that every asked row carries.
    contexts : mapping of str to ndarray
        Held tensors of the background's rows, for methods that explain the whole model.
    parts : Parts or None
        The model's own parts of the explained number, where it tells them.
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
    context: Context = field(default_factory=dict)
    contexts: Context = field(default_factory=dict)
    parts: Parts | None = None

    def __call__(self, rows: FloatArray, places: Places | None = None) -> FloatArray:
        """Return the explained number for packed rows.

        Parameters
        ----------
        rows : ndarray of shape (n, width)
        places : ndarray of int, shape (n,), optional
            Background rows whose contexts stand beside the rows; the instance's beside every one when left out.

        Returns
        -------
        ndarray of shape (n,)
        """
        answers = []
        for part in self._portions(len(rows), self.context if places is None else self.contexts):
            context = self.context if places is None else self.beside(places[part])
            answers.append(self.read(self.predict(self.packing.join(rows[part], context), (self.target.tensor.name,))))
        self.calls += len(rows)
        values = np.concatenate(answers)
        if self.target.relative_to:
            values = values - rows[:, self.column(self.target.relative_to)]
        return np.asarray(values, dtype=np.float64)

    @staticmethod
    def _portions(rows: int, context: Context) -> list[slice]:
        beside = sum(int(np.prod(values.shape[1:])) for values in context.values())
        step = max(min(BATCH_ROWS, BATCH_VALUES // max(beside, 1)), 1)
        return [slice(start, start + step) for start in range(0, rows, step)]

    def read(self, outputs: Batch) -> FloatArray:
        """Return the target's column of the model's answer; shape (n,)."""
        values = outputs[self.target.tensor.name].astype(np.float64)
        column: FloatArray = values.reshape(len(values), -1)[:, self.target.column]
        return column

    def at(self, context: Context) -> Problem:
        """Return the problem of explaining an instance with this context, of one row."""
        return replace(self, calls=0, context=context)

    def beside(self, places: Places) -> Context:
        """Return the contexts of some of the background's rows."""
        return {name: values[places] for name, values in self.contexts.items()}

    def usual(self) -> FloatArray:
        """Return the answers to the background: beside the instance's context, or each row beside its own."""
        return self(self.background, None if self.context else np.arange(len(self.background)))

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

    def spread(self, rows: int) -> Places:
        """Return the places of at most ``rows`` background rows, evenly spaced over time."""
        return np.unique(np.linspace(0, len(self.background) - 1, max(rows, 1)).round().astype(np.intp))

    def subsample(self, rows: int) -> FloatArray:
        """Return at most ``rows`` background rows, evenly spaced over time."""
        thinned: FloatArray = self.background[self.spread(rows)]
        return thinned
