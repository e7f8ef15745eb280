"""Variance of a portfolio of any number of holdings, as a direct model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from components.data.dataset import Dataset
from components.errors import InvalidRequest
from components.models.contract import Outputs
from components.models.direct import DirectMember, DirectModel
from components.models.schema import Batch, Column, Schema, Tensor


@dataclass(frozen=True)
class Params:
    """Hyper-parameters: weight of the long-run variance in each security's, decimal."""

    shrinkage: float = 0.1


class Variances(DirectMember):
    """Keeps the variance of each security's returns; returns of different securities are taken as independent."""

    def __init__(self, params: Params) -> None:
        self.params = params
        self.variances: dict[str, float] = {}

    def fit(self, train: Dataset, validation: Dataset) -> Self:
        names, returns = train.inputs["security_id"], train.targets["returns"]
        known = sorted(set(names.reshape(-1).tolist()) - {""})
        own = {name: float(np.var(returns[names == name])) for name in known}
        mean = float(np.mean(list(own.values())))
        self.variances = {n: (1 - self.params.shrinkage) * v + self.params.shrinkage * mean for n, v in own.items()} | {
            "": 0.0
        }
        return self

    def answer(self, inputs: Batch) -> Outputs:
        names = inputs["security_id"]
        for name in names.reshape(-1):
            if name not in self.variances:
                raise InvalidRequest(f"security {name!r} is unknown", "Use one of the trained.", path="security_id")
        variance = np.array([[self.variances[name] for name in row] for row in names]).reshape(names.shape)
        contribution = inputs["weight"] ** 2 * variance * inputs["conditions"][:, :1]
        return {"variance": contribution.sum(axis=1), "contribution": contribution}

    def save(self, directory: Path) -> None:
        (directory / "variances.json").write_text(json.dumps(self.variances))

    @classmethod
    def load(cls, directory: Path) -> Self:
        member = cls(Params())
        member.variances = json.loads((directory / "variances.json").read_text())
        return member


class PortfolioVariance(DirectModel):
    """Tomorrow's variance, and whether it is high."""

    Params = Params
    Member = Variances

    @property
    def input_schema(self) -> Schema:
        return Schema(
            (
                Tensor("security_id", "BYTES", (-1,)),
                Tensor("weight", "FP64", (-1,), unit="decimal"),
                Tensor("conditions", "FP64", (1,), (Column("scale", "", "Of all variances", 0, 10),)),
                Tensor("correlation", "FP64", (-1, -1)),
            )
        )

    @property
    def output_schema(self) -> Schema:
        return Schema(
            (
                Tensor("variance", "FP64", unit="decimal squared"),
                Tensor("contribution", "FP64", (-1,)),
                Tensor("level", "BYTES"),
            )
        )

    def describe(self, outputs: Outputs, inputs: Batch) -> Outputs:
        return {"level": np.where(outputs["variance"] > 1e-4, "high", "low").astype(object)}
