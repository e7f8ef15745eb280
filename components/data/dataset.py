"""Dataset: rows of named input and target tensors with their times and entities, stored as one Parquet file.

PyArrow is imported on use: a server that only predicts does without it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Tensors = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Dataset:
    """Rows in time order.

    Attributes
    ----------
    inputs, targets : dict of str to ndarray
        Tensors with the row axis first.
    times : ndarray of datetime64[ns], shape (rows,)
        When the features of a row were known.
    label_times : ndarray of datetime64[ns], shape (rows,)
        When the last target of a row becomes known; purging compares it with the next split's first time.
    entities : ndarray of str, shape (rows,)
        For example the security.
    """

    inputs: Tensors
    targets: Tensors
    times: npt.NDArray[np.datetime64]
    label_times: npt.NDArray[np.datetime64]
    entities: npt.NDArray[Any]

    def __post_init__(self) -> None:
        rows = len(self.times)
        for name, array in {
            **self.inputs,
            **self.targets,
            "label_times": self.label_times,
            "entities": self.entities,
        }.items():
            if len(array) != rows:
                raise ValueError(f"dataset: {name!r} has {len(array)} rows, times has {rows}")

    def __len__(self) -> int:
        return len(self.times)

    def take(self, rows: npt.NDArray[Any]) -> Dataset:
        """Return the rows of an index or boolean mask."""
        return Dataset(
            {k: v[rows] for k, v in self.inputs.items()},
            {k: v[rows] for k, v in self.targets.items()},
            self.times[rows],
            self.label_times[rows],
            self.entities[rows],
        )

    def write(self, path: Path) -> None:
        """Write to one Parquet file."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays: dict[str, Any] = {
            "time": pa.array(self.times.astype("datetime64[ns]")),
            "label_time": pa.array(self.label_times.astype("datetime64[ns]")),
            "entity": pa.array(self.entities.astype(str).tolist()),
        }
        layout: dict[str, list[int]] = {}
        empty: dict[str, str] = {}
        for kind, tensors in (("inputs", self.inputs), ("targets", self.targets)):
            for name, array in tensors.items():
                key = f"{kind}.{name}"
                layout[key] = list(array.shape[1:])
                if 0 in array.shape[1:]:
                    # No value in any row: the layout alone says that the tensor exists, and of which type.
                    empty[key] = array.dtype.str
                    continue
                flat = pa.array(array.reshape(-1).tolist() if array.dtype == object else array.reshape(-1))
                width = int(np.prod(array.shape[1:])) if array.ndim > 1 else 0
                arrays[key] = pa.FixedSizeListArray.from_arrays(flat, width) if width else flat
        facts = {"arthaflow.layout": json.dumps(layout), "arthaflow.empty": json.dumps(empty)}
        table = pa.table(arrays).replace_schema_metadata(facts)
        pq.write_table(table, path, compression="zstd")

    @classmethod
    def read(cls, path: Path) -> Dataset:
        """Inverse of :meth:`write`."""
        import pyarrow.parquet as pq

        # Not read_table, which imports pandas.
        with pq.ParquetFile(path) as file:
            table = file.read().combine_chunks()
        layout = json.loads(table.schema.metadata[b"arthaflow.layout"])
        empty = json.loads(table.schema.metadata.get(b"arthaflow.empty", b"{}"))
        tensors: dict[str, Tensors] = {"inputs": {}, "targets": {}}
        for key, shape in layout.items():
            kind, name = key.split(".", 1)
            if key in empty:
                tensors[kind][name] = np.empty((len(table), *shape), dtype=empty[key])
                continue
            column = table[key].combine_chunks()
            values = column.flatten() if shape else column
            tensors[kind][name] = values.to_numpy(zero_copy_only=False).reshape(len(table), *shape)
        return cls(
            tensors["inputs"],
            tensors["targets"],
            table["time"].to_numpy(),
            table["label_time"].to_numpy(),
            np.array(table["entity"].to_pylist(), dtype=object),
        )
