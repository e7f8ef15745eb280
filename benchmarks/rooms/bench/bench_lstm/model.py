"""LSTM with attention: trained by torch, served by ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any, Self

import numpy as np

from components.data.dataset import Dataset
from components.models.bench.bench_lstm.data import CHANNELS, STEPS
from components.models.contract import FloatArray
from components.models.onnx_graphs import open_session
from components.models.schema import Batch, Schema, Tensor
from components.models.single import SingleModel


@dataclass(frozen=True)
class Params:
    """Hyper-parameters."""

    hidden: int = 64
    epochs: int = 3


class Lstm:
    """The network with its training loop."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.source: Path | None = None

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        """Train for a few epochs: speed is what is measured, not skill."""
        import torch

        from components.models.bench.bench_lstm.network import AttentionLstm

        torch.manual_seed(7)
        self.network = AttentionLstm(len(CHANNELS), self.params.hidden)
        x = torch.from_numpy(train.inputs["window"])
        y = torch.from_numpy(train.targets["target"].astype(np.float32))
        optimiser = torch.optim.Adam(self.network.parameters(), lr=3e-3)
        for _ in range(self.params.epochs):
            for rows in torch.randperm(len(x)).split(64):
                optimiser.zero_grad()
                torch.nn.functional.mse_loss(self.network(x[rows]), y[rows]).backward()
                optimiser.step()
        self.network.eval()
        return self

    def predict(self, inputs: Batch) -> FloatArray:
        """Return predictions of shape (rows, 1)."""
        if self.source is not None:
            result: FloatArray = self.session.run(None, {"window": inputs["window"]})[0]
            return result
        import torch

        with torch.inference_mode():
            return np.asarray(self.network(torch.from_numpy(inputs["window"])).numpy(), dtype=np.float64)

    def save(self, directory: Path) -> None:
        """Write what was trained, or copy what was loaded."""
        if self.source is None:
            self.export(directory)
        else:
            copytree(self.source, directory, dirs_exist_ok=True)

    def export(self, directory: Path) -> None:
        """Write ``model.onnx`` and ``model.safetensors``."""
        import torch
        from safetensors.torch import save_file

        save_file(self.network.state_dict(), directory / "model.safetensors")
        torch.onnx.export(
            self.network,
            (torch.zeros(2, STEPS, len(CHANNELS)),),
            directory / "model.onnx",
            input_names=["window"],
            output_names=["prediction"],
            dynamic_shapes={"window": {0: torch.export.Dim("rows")}},
            external_data=False,
            verbose=False,
        )

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Inverse of :meth:`save`."""
        lstm = cls(Params())
        lstm.source = directory
        lstm.session = open_session((directory / "model.onnx").read_bytes())
        return lstm


class Forecaster(SingleModel):
    """The target."""

    Params = Params
    Member: Any = Lstm

    @property
    def input_schema(self) -> Schema:
        """A window of sixty steps."""
        return Schema((Tensor("window", "FP32", (STEPS, len(CHANNELS)), CHANNELS),))

    @property
    def output_schema(self) -> Schema:
        """One number per row."""
        return Schema((Tensor("prediction", "FP32", (1,)),))
