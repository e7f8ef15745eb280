"""Picks the watched columns out of a model's input tensors.

A column has one number in every row: text, windows, and what is as long as a request makes it have none to watch.
"""

from __future__ import annotations

import numpy as np

from components.errors import ConfigurationError
from components.models.schema import Batch, Schema
from inference.drift.result import FloatArray


class Columns:
    """Watched columns, as ``tensor.column`` paths.

    Parameters
    ----------
    schema : Schema
        Input schema of the model.
    paths : tuple of str
        What the spec names; empty for every column of the first tensor that has columns.

    Raises
    ------
    ConfigurationError
        If a path is not in the schema, or nothing is left to watch.
    """

    def __init__(self, schema: Schema, paths: tuple[str, ...]) -> None:
        known = {
            f"{tensor.name}.{name}": (tensor.name, j)
            for tensor in schema.tensors
            if len(tensor.shape) == 1 and tensor.dtype.kind in "fiu"
            for j, name in enumerate(tensor.column_names)
        }
        first = next(iter(known.values()), ("", 0))[0]
        self.paths = paths or tuple(path for path, (tensor, _) in known.items() if tensor == first)
        for path in self.paths:
            if path not in known:
                raise ConfigurationError(
                    f"The spec watches {path!r}, which the artifact's schema does not have.",
                    f"Use some of {', '.join(known)}.",
                )
        if not self.paths:
            raise ConfigurationError("The model has no numeric columns to watch.", "Name the columns in its schema.")
        self._places = [known[path] for path in self.paths]

    def select(self, batch: Batch) -> FloatArray:
        """Return the watched columns of a batch; shape (rows, len(paths))."""
        return np.column_stack([np.asarray(batch[tensor][:, j], dtype=np.float64) for tensor, j in self._places])
