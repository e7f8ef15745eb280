"""The served form of the members: one ONNX graph for all, and XGBoost's own predictor where that wins."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from components.models.contract import FloatArray
from components.models.engines import EngineTable
from components.models.markets.price_forecast.inputs import Prepared
from components.models.markets.price_forecast.trees import ONNX, load_boosters, predict_trees
from components.models.onnx_graphs import merge_graphs, open_session
from components.models.xgboost_native import NativeBooster

TREES = "xgboost"


@dataclass(frozen=True)
class ServedMembers:
    """Members merged into one graph, ready to answer.

    Attributes
    ----------
    graph : bytes
        Serialised ONNX graph with one output of log returns per member; empty when the random walk has all the weight.
    trees : tuple of bytes
        XGBoost's own files, one per horizon; empty without that member.
    facts : dict
        ``member.json`` of each member.
    """

    graph: bytes
    trees: tuple[bytes, ...]
    facts: dict[str, Any]
    _session: Any = field(init=False, repr=False, default=None)
    _boosters: list[NativeBooster] = field(init=False, repr=False, default_factory=list)
    _table: EngineTable | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if not self.graph:
            return
        session = open_session(self.graph)
        raw = self.facts.get(TREES, {}).get("engines")
        table = EngineTable.from_dict(raw) if raw else None
        object.__setattr__(self, "_session", (session, [i.name for i in session.get_inputs()], _names(session)))
        object.__setattr__(self, "_boosters", load_boosters(self.trees, table))
        object.__setattr__(self, "_table", table)

    def predict(self, x: Prepared, steps: FloatArray) -> dict[str, FloatArray]:
        """Return log returns by member, each of shape (rows, horizons), single precision from the graph."""
        if self._session is None:
            return {}
        session, inputs, outputs = self._session
        tensors = {"tabular": x.tabular, "sequence": x.sequence, "scale": x.scale.astype(np.float32)}
        wanted = {name: tensors[name] for name in inputs}
        if not self._boosters or self._table is None or self._table.pick(len(x.close)) == ONNX:
            return dict(zip(outputs, session.run(outputs, wanted), strict=True))
        rest = [name for name in outputs if name != TREES]
        answers = dict(zip(rest, session.run(rest, wanted, _only_path()), strict=True)) if rest else {}
        return answers | {TREES: predict_trees(self._boosters, x, steps)}

    def save(self, directory: Path) -> None:
        """Write ``members.onnx``, ``trees_<h>.ubj`` and ``members.json``."""
        if self.graph:
            (directory / "members.onnx").write_bytes(self.graph)
        for h, data in enumerate(self.trees):
            (directory / f"trees_{h}.ubj").write_bytes(data)
        (directory / "members.json").write_text(json.dumps(self.facts, indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> ServedMembers:
        """Inverse of :meth:`save`."""
        path = directory / "members.onnx"
        facts = json.loads((directory / "members.json").read_text(encoding="utf-8"))
        return cls(path.read_bytes() if path.exists() else b"", _read_trees(directory), facts)

    @classmethod
    def merge(cls, directories: Mapping[str, Path], served: Iterable[str]) -> ServedMembers:
        """Merge what the candidates saved.

        Parameters
        ----------
        directories : mapping of str to Path
            One directory per candidate.
        served : iterable of str
            Members with any weight; the others would only cost time.
        """
        chosen = [name for name in directories if name in set(served)]
        graphs = {name: (directories[name] / "member.onnx").read_bytes() for name in chosen}
        facts = {name: json.loads((d / "member.json").read_text(encoding="utf-8")) for name, d in directories.items()}
        trees = _read_trees(directories[TREES]) if TREES in chosen else ()
        return cls(merge_graphs(graphs) if graphs else b"", trees, facts)


def _read_trees(directory: Path) -> tuple[bytes, ...]:
    count = len(list(directory.glob("trees_*.ubj")))
    return tuple((directory / f"trees_{h}.ubj").read_bytes() for h in range(count))


def _names(session: Any) -> list[str]:
    return [o.name for o in session.get_outputs()]


def _only_path() -> Any:
    """Return run options that skip the nodes whose outputs nobody asked for."""
    import onnxruntime as ort

    options = ort.RunOptions()
    options.only_execute_path_to_fetches = True
    return options
