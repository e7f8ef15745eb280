"""Policy: trained networks as plain numbers, answered with numpy alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from components.errors import ArtifactCorrupt
from components.models.contract import FloatArray
from components.models.portfolio.auto_invest.tilts import ACTIONS, OBSERVED

Layer = tuple[FloatArray, FloatArray]


@dataclass(frozen=True)
class Policy:
    """Networks of the same shape, whose mean is the action: tanh layers and a linear one.

    Attributes
    ----------
    networks : tuple of tuple of layers
        A layer is a weight matrix of shape (outputs, inputs) and a bias.
    """

    networks: tuple[tuple[Layer, ...], ...]

    def __call__(self, observation: FloatArray) -> FloatArray:
        """Return the deterministic action, not yet cut to -1..1, shape (len(ACTIONS),)."""
        every = [_forward(layers, observation) for layers in self.networks]
        made: FloatArray = np.mean([np.clip(raw, -1.0, 1.0) for raw in every], axis=0)
        return made

    def write(self, path: Path) -> None:
        """Write as JSON."""
        raw = [[{"weight": w.tolist(), "bias": b.tolist()} for w, b in layers] for layers in self.networks]
        told = {"observed": OBSERVED, "actions": ACTIONS, "networks": raw}
        path.write_text(json.dumps(told), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Inverse of :meth:`write`.

        Raises
        ------
        ArtifactCorrupt
            If the networks see or do other things than this version of the code.
        """
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw["observed"] != list(OBSERVED) or raw["actions"] != list(ACTIONS):
            raise ArtifactCorrupt(
                f"{path.name} is a policy over {raw['observed']}, this code observes {list(OBSERVED)}.",
                "Serve it with the release that trained it, or train it again.",
            )
        return cls(tuple(tuple((np.array(n["weight"]), np.array(n["bias"])) for n in net) for net in raw["networks"]))


def _forward(layers: tuple[Layer, ...], observation: FloatArray) -> FloatArray:
    value = observation
    for number, (weight, bias) in enumerate(layers):
        value = np.einsum("ij,j->i", weight, value) + bias
        if number < len(layers) - 1:
            value = np.tanh(value)
    return value
