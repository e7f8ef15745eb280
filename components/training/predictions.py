"""Out-of-sample predictions of one candidate, stored so that the blend is learned and judged without training again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from components.errors import ArtifactCorrupt
from components.models.contract import FloatArray

FILE = "predictions.parquet"


@dataclass(frozen=True)
class Part:
    """Predictions of one fold's validation or test rows: (rows, horizons), or a direct model's numbers."""

    fold: int
    split: str
    rows: Any
    values: FloatArray


def write_predictions(parts: list[Part], horizons: tuple[str, ...], path: Path) -> None:
    """Write columns ``fold``, ``row``, ``split`` and one per number of a prediction to Parquet.

    The columns are named after the horizons where there are as many.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = np.concatenate([p.values for p in parts])
    table = {
        "fold": np.concatenate([np.full(len(p.rows), p.fold) for p in parts]),
        "row": np.concatenate([p.rows for p in parts]),
        "split": np.concatenate([np.full(len(p.rows), p.split, dtype=object) for p in parts]).tolist(),
    }
    width = values.shape[1]
    names = horizons if len(horizons) == width else tuple(f"number_{i}" for i in range(width))
    pq.write_table(pa.table(table | {name: values[:, i] for i, name in enumerate(names)}), path, compression="zstd")


class Predictions:
    """Stored predictions of one candidate.

    Parameters
    ----------
    directory : Path
        What :func:`components.training.train_candidate` wrote.

    Raises
    ------
    ArtifactCorrupt
        If the file is missing or unreadable.
    """

    def __init__(self, directory: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = directory / FILE
        try:
            with pq.ParquetFile(path) as file:
                table = file.read()
        except (FileNotFoundError, pa.ArrowInvalid) as error:
            raise ArtifactCorrupt(f"{path} cannot be read ({error}).", "Train the candidate again.") from error
        self.path = path
        self.fold, self.row = table["fold"].to_numpy(), table["row"].to_numpy()
        self.split = np.array(table["split"].to_pylist())
        names = [n for n in table.column_names if n not in ("fold", "row", "split")]
        self.values = np.stack([table[n].to_numpy() for n in names], axis=1)

    def part(self, fold: int, split: str, rows: Any) -> FloatArray:
        """Return the predictions of one part, in the order of ``rows``.

        Raises
        ------
        ArtifactCorrupt
            If other rows were predicted: the candidate was trained on another split.
        """
        chosen = (self.fold == fold) & (self.split == split)
        if not np.array_equal(self.row[chosen], rows):
            raise ArtifactCorrupt(
                f"{self.path} holds other {split} rows of fold {fold} than the split ({chosen.sum()}, {len(rows)}).",
                "Train the candidate on the same folds.",
            )
        values: FloatArray = self.values[chosen]
        return values
