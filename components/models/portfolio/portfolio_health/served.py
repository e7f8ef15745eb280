"""The served form of the members: one ONNX graph of four forests and the network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from components.models.contract import FloatArray
from components.models.onnx_graphs import open_session
from components.models.portfolio.portfolio_health.columns import matrix
from components.models.portfolio.portfolio_health.rubric import COMPONENTS

FILE: Final = "members.onnx"
FORESTS: Final = tuple(f"forest_{name}" for name in COMPONENTS)
NETWORK: Final = "network"


@dataclass(frozen=True)
class ServedMembers:
    """Members merged into one graph, ready to answer.

    Attributes
    ----------
    graph : bytes
        Input ``features`` (rows, 26); outputs one column of each forest, and the network's four.
    """

    graph: bytes
    _session: Any = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_session", open_session(self.graph))

    def score(self, features: FloatArray) -> dict[str, FloatArray]:
        """Return the components by member of portfolios as they are, each of shape (rows, 4)."""
        answers = self._session.run([*FORESTS, NETWORK], {"features": matrix(features)})
        forest = np.concatenate(answers[: len(FORESTS)], axis=1).astype(np.float64)
        return {"forest": forest, "network": answers[-1].astype(np.float64)}

    def predict(self, seen: FloatArray) -> dict[str, FloatArray]:
        """Return the components of scenes by member, each of shape (rows, (1 + actions) * 4), in one run.

        Parameters
        ----------
        seen : ndarray of shape (rows, 1 + actions, 26)
            From :func:`.actions.scenes`.
        """
        scored = self.score(seen.reshape(-1, seen.shape[2]))
        return {name: values.reshape(len(seen), -1) for name, values in scored.items()}

    @classmethod
    def merge(cls, directories: Mapping[str, Path]) -> ServedMembers:
        """Merge what the members saved."""
        from components.models.onnx_graphs import merge_graphs
        from components.models.onnx_trees import TREE_OPSET

        parts = {name: directories["forest"] / f"{name}.onnx" for name in FORESTS}
        parts[NETWORK] = directories["network"] / f"{NETWORK}.onnx"
        return cls(merge_graphs({name: path.read_bytes() for name, path in parts.items()}, TREE_OPSET))

    def save(self, directory: Path) -> None:
        """Write the graph."""
        (directory / FILE).write_bytes(self.graph)

    @classmethod
    def load(cls, directory: Path) -> ServedMembers:
        """Inverse of :meth:`save`."""
        return cls((directory / FILE).read_bytes())
