"""The number that canaries compare, read from a batch's arrays and counted into the grid that the spec declares.

What the number is stands in one place, :class:`inference.router.quantity.Quantity`. The local router reads it from the
bytes that pass by; a predictor has the arrays at hand.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from components.errors import ConfigurationError
from components.models.schema import Schema
from components.models.spec import ModelSpec
from inference.metrics import Histogram
from inference.router.quantity import Cell, Quantity, quantity_for
from inference.v2.datatypes import Array
from inference.v2.request import InferRequest

logger = logging.getLogger("arthaflow.compared")


class Rows:
    """The tensors of a batch, of which one request's first row is looked at.

    Attributes
    ----------
    arrays : mapping of str to ndarray of shape (n, ...)
        By tensor.
    start : int
        The row.
    """

    __slots__ = ("arrays", "start")

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = arrays
        self.start = 0

    def value(self, cell: Cell) -> float | None:
        """Return one value of the row."""
        array = self.arrays[cell.tensor]
        return float(array.item(self.start * (array.size // len(array)) + cell.position))


class Compared:
    """Counts the compared number of one served version, one per request: rows of a request are not independent.

    Parameters
    ----------
    quantity : Quantity
        Which number.
    grid : tuple of float
        Upper ends of the buckets, see :attr:`components.models.spec.RolloutSpec.grid`.

    Attributes
    ----------
    histogram : Histogram
        Of the numbers.
    unusable : int
        Answers whose number is not finite.
    """

    __slots__ = ("histogram", "quantity", "unusable")

    def __init__(self, quantity: Quantity, grid: tuple[float, ...]) -> None:
        self.quantity = quantity
        self.histogram = Histogram(grid)
        self.unusable = 0

    @property
    def outside(self) -> int:
        """How many numbers lie beyond the grid, where a rollout cannot tell them apart."""
        return self.histogram.counts[0] + self.histogram.counts[-1]

    def observe(self, request: InferRequest, inputs: Rows, outputs: Rows) -> None:
        """Count one request that was answered with status 200."""
        if request.outputs and all(o.name != self.quantity.output.tensor for o in request.outputs):
            return
        number, unusable = self.quantity.measure(inputs, outputs)
        if number is not None:
            self.histogram.observe(number)
        elif unusable:
            self.unusable += 1


def compared_for(spec: ModelSpec, inputs: Schema, outputs: Schema) -> Compared | None:
    """Return the counter of a served version; None if its spec declares no ``rollout.bounds``.

    A spec that does not fit an older artifact's schema costs that version its histogram, not its service: the log says
    so, and the next rollout finds no predictions and says it too.
    """
    if spec.rollout.bounds is None:
        return None
    try:
        return Compared(quantity_for(spec, inputs, outputs), spec.rollout.grid)
    except ConfigurationError as error:
        logger.warning("Predictions are not counted for rollouts: %s", error)
        return None
