"""Where made-up rows may lie: the schema's bounds, the background's ranges, and whole numbers that stay whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.models.schema import Tensor
from inference.explain.packing import FloatArray, Group, Packing
from inference.explain.problem import Problem


@dataclass(frozen=True)
class Space:
    """The packed columns as a space to move in; every array has shape (width,).

    Attributes
    ----------
    names : tuple of str
        Of each packed column, ``window[59].close`` inside a tensor of more axes.
    lowest, highest : ndarray
        The schema's bounds; infinite where it has none.
    low, high : ndarray
        The background's range within those bounds.
    whole : ndarray of bool
        Columns of whole numbers, or of yes and no.
    """

    packing: Packing
    names: tuple[str, ...]
    lowest: FloatArray
    highest: FloatArray
    low: FloatArray
    high: FloatArray
    whole: npt.NDArray[np.bool_]

    @property
    def width(self) -> FloatArray:
        """Extent of the background's range; 0 for a column that never varies."""
        return self.high - self.low

    def single(self) -> list[tuple[int, Group]]:
        """Return the features that are one number: their packed column, and the feature."""
        return [(g.start, g) for g in self.packing.groups if g.single]

    def settle(self, rows: FloatArray) -> FloatArray:
        """Return rows as the model will see them: within the bounds, whole where due, in the tensors' dtypes."""
        inside = np.clip(rows, self.lowest, self.highest)
        rounded = np.where(self.whole, np.round(inside), inside)
        return self.packing.pack(self.packing.unpack(rounded))


def space_of(problem: Problem) -> Space:
    """Return the space of a problem's inputs."""
    packing = problem.packing
    names: list[str] = []
    lowest: list[float] = []
    highest: list[float] = []
    whole: list[bool] = []
    for tensor in packing.tensors:
        for index in np.ndindex(*tensor.shape):
            low, high = _bounds(tensor, index)
            lowest.append(low)
            highest.append(high)
            names.append(_name(tensor, index))
            whole.append(tensor.dtype.kind != "f")
    for group in packing.groups:
        if group.single:
            names[group.start] = group.name
    floor, ceiling = np.array(lowest), np.array(highest)
    return Space(
        packing,
        tuple(names),
        floor,
        ceiling,
        np.clip(problem.background.min(axis=0), floor, ceiling),
        np.clip(problem.background.max(axis=0), floor, ceiling),
        np.array(whole, dtype=np.bool_),
    )


def _bounds(tensor: Tensor, index: tuple[int, ...]) -> tuple[float, float]:
    low, high = (0.0, 1.0) if tensor.dtype.kind == "b" else (-np.inf, np.inf)
    if tensor.dtype.kind in "iu":
        low, high = float(np.iinfo(tensor.dtype).min), float(np.iinfo(tensor.dtype).max)
    if tensor.columns:
        column = tensor.columns[index[-1]]
        low = low if column.minimum is None else max(low, column.minimum)
        high = high if column.maximum is None else min(high, column.maximum)
    return low, high


def _name(tensor: Tensor, index: tuple[int, ...]) -> str:
    if tensor.columns:
        *rest, last = index
        return f"{tensor.name}{''.join(f'[{i}]' for i in rest)}.{tensor.columns[last].name}"
    return tensor.name + "".join(f"[{i}]" for i in index)
