"""The Model contract: what a model must be able to do, and nothing about how it is trained, served or watched.

A model is a blend of one or more *candidates*. Each candidate learns on its own (so that a graph can train them side by
side); the model then learns, from the candidates' predictions on validation rows alone, how to blend and calibrate
them. A model of one candidate derives from :class:`components.models.single.SingleModel`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.models.schema import Batch, Schema

FloatArray = npt.NDArray[np.float64]
Outputs = dict[str, npt.NDArray[Any]]


class Candidate(Protocol):
    """One trainable member of a model."""

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Learn from ``train``; ``validation`` is for early stopping only."""
        ...

    def predict(self, inputs: Batch) -> FloatArray:
        """Return the target, of shape (rows, horizons), in the unit the model blends in."""
        ...

    def save(self, directory: Path) -> None:
        """Write the serving form (ONNX, JSON, UBJ, safetensors) into an existing empty directory."""
        ...


class Model(ABC):
    """A blend of candidates with a schema on both sides.

    Subclasses are constructed with a frozen dataclass of hyper-parameters, whose fields carry their search space in
    ``field(metadata={"search": ...})``.

    Attributes
    ----------
    Params : type
        The hyper-parameters' dataclass; constructible without arguments.
    """

    Params: ClassVar[type]

    def __init__(self, params: Any = None) -> None:
        self.params = params if params is not None else self.Params()

    @property
    @abstractmethod
    def input_schema(self) -> Schema:
        """Tensors that :meth:`predict` takes."""

    @property
    @abstractmethod
    def output_schema(self) -> Schema:
        """Tensors that :meth:`predict` returns."""

    @classmethod
    @abstractmethod
    def candidates(cls, params: Any) -> Mapping[str, Callable[[], Candidate]]:
        """Factories of the untrained candidates by name. Imports of training libraries stay inside the factories."""

    @abstractmethod
    def combine(self, predictions: Mapping[str, FloatArray], validation: Dataset) -> Self:
        """Learn blend weights and calibration from the candidates' predictions on validation rows.

        Parameters
        ----------
        predictions : mapping of str to ndarray of shape (rows, horizons)
            From candidates that were not fitted on these rows.
        validation : Dataset
            The same rows.
        """

    def blend_target(self, data: Dataset) -> FloatArray:
        """Return what the candidates predict: by default the dataset's only target as it is."""
        (target,) = data.targets.values()
        return target

    @abstractmethod
    def finish(self, predictions: Mapping[str, FloatArray], inputs: Batch) -> Outputs:
        """Turn the candidates' predictions into the model's outputs; pure and row-wise."""

    @abstractmethod
    def predict(self, inputs: Batch) -> Outputs:
        """Predict a batch. Pure, row-wise (a batch's answer equals its rows' answers) and safe to call from threads."""

    @abstractmethod
    def adopt(self, directories: Mapping[str, Path]) -> Self:
        """Take in candidates that :meth:`Candidate.save` wrote, one directory each, so that :meth:`predict` works."""

    @abstractmethod
    def save(self, directory: Path) -> None:
        """Write the whole model into an existing empty directory, in safe formats only."""

    @classmethod
    @abstractmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`. Imports no training library."""

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Train every candidate, then blend: the graph's steps in one process."""
        from tempfile import TemporaryDirectory

        predictions: dict[str, FloatArray] = {}
        with TemporaryDirectory() as scratch:
            directories: dict[str, Path] = {}
            for name, make in self.candidates(self.params).items():
                candidate = make().fit(train, validation)
                predictions[name] = candidate.predict(validation.inputs)
                directories[name] = Path(scratch, name)
                directories[name].mkdir()
                candidate.save(directories[name])
            return self.combine(predictions, validation).adopt(directories)
