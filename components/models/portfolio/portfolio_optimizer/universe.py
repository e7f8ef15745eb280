"""Universe: the securities a served optimiser knows by name, with their newest returns."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from components.data.dataset import Dataset
from components.finance.arrays import load_arrays, save_arrays

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Universe:
    """Names and returns.

    Attributes
    ----------
    names : tuple of str
        Securities, in the order of the columns.
    returns : ndarray of shape (window, securities)
        Daily, decimal, oldest first.
    until : str
        Last day, ISO 8601.
    """

    names: tuple[str, ...]
    returns: Matrix
    until: str

    @classmethod
    def newest(cls, data: Dataset) -> Self:
        """Return the largest set of securities of the newest question in a dataset, up to the end of its outcome."""
        latest = np.flatnonzero(data.times == data.times.max())
        row = max(latest, key=lambda i: int((data.inputs["security_id"][i] != "").sum()))
        held = data.inputs["security_id"][row] != ""
        names = tuple(map(str, data.inputs["security_id"][row][held]))
        history, ahead = data.inputs["history"][row][:, held], data.targets["next_returns"][row][:, held]
        returns = np.concatenate([history, ahead])[-len(history) :]
        return cls(names, returns, str(data.label_times[row].astype("datetime64[D]")))

    def save(self, directory: Path) -> None:
        """Write ``universe.json`` and ``returns.safetensors``."""
        save_arrays(directory / "returns.safetensors", {"returns": self.returns})
        facts = {"names": self.names, "until": self.until}
        (directory / "universe.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        facts = json.loads((directory / "universe.json").read_text(encoding="utf-8"))
        return cls(tuple(facts["names"]), load_arrays(directory / "returns.safetensors")["returns"], facts["until"])
