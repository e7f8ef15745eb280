"""SingleModel: the base of a model that is one candidate and needs no blending."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

from components.data.dataset import Dataset
from components.models.contract import Candidate, FloatArray, Model, Outputs
from components.models.schema import Batch


class LoadableCandidate(Candidate, Protocol):
    """A candidate that can read back what it saved."""

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of ``save``. Imports no training library."""
        ...


class SingleModel(Model):
    """A model whose prediction is its only candidate's prediction.

    Attributes
    ----------
    Member : type
        The candidate's class, constructed with the hyper-parameters.
    """

    Member: ClassVar[Callable[[Any], LoadableCandidate]]
    member: LoadableCandidate

    @classmethod
    def candidates(cls, params: Any) -> Mapping[str, Callable[[], Candidate]]:
        """One candidate, named ``model``."""
        return {"model": lambda: cls.Member(params)}

    def combine(self, predictions: Mapping[str, FloatArray], validation: Dataset) -> Self:
        """There is nothing to blend."""
        return self

    def finish(self, predictions: Mapping[str, FloatArray], inputs: Batch) -> Outputs:
        """The first output tensor is the candidate's prediction."""
        return {self.output_schema.tensors[0].name: predictions["model"]}

    def predict(self, inputs: Batch) -> Outputs:
        """Predict a batch."""
        return self.finish({"model": self.member.predict(inputs)}, inputs)

    def adopt(self, directories: Mapping[str, Path]) -> Self:
        """Read the candidate back from where it was saved."""
        self.member = self.Member.load(directories["model"])  # type: ignore[attr-defined]
        return self

    def save(self, directory: Path) -> None:
        """Write the candidate."""
        self.member.save(directory)

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        return cls().adopt({"model": directory})
