"""The partly monotone neural networks as a member: trained with torch, exported from their plain weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from components.models.contract import FloatArray
from components.models.onnx_graphs import GraphBuilder
from components.models.portfolio.portfolio_health.columns import NAMES, SIGNS
from components.models.portfolio.portfolio_health.members import Float32, Member
from components.models.portfolio.portfolio_health.rubric import COMPONENTS

LIMIT = 5.0
"""Largest absolute standard score that the network sees."""
CENTRE, SPREAD = 50.0, 25.0
"""What a rating is less, and divided by, for the network."""


class Network(Member):
    """See :mod:`.partly_monotone`."""

    name = "network"

    def _fit(self, x: Float32, ratings: FloatArray) -> None:
        import torch

        from components.models.portfolio.portfolio_health.partly_monotone import train_network

        torch.set_num_threads(self.params.threads)
        self.mean = x.mean(axis=0, dtype=np.float64).astype(np.float32)
        deviation = x.std(axis=0, dtype=np.float64)
        # A constant column says nothing; one keeps it at zero instead of dividing by it.
        self.deviation = np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32)
        wanted = ((ratings - CENTRE) / SPREAD).astype(np.float32)
        network, loss = train_network(self._standard(x), wanted, SIGNS, self.params)
        self.weights: dict[str, Float32] = network.effective()
        self.facts["training_loss"] = loss

    def _standard(self, x: Float32) -> Float32:
        scores: Float32 = np.clip((x - self.mean) / self.deviation, -LIMIT, LIMIT)
        return scores

    def _predict(self, x: Float32) -> FloatArray:
        w = {name: value.astype(np.float64) for name, value in self.weights.items()}
        z = self._standard(x).astype(np.float64)
        free = np.tanh(z @ w["free_in"] + w["free_bias"])
        first = np.tanh(z @ w["signed_in"] + free @ w["free_first"] + w["first_bias"])
        second = np.tanh(first @ w["second"] + w["second_bias"])
        units = second @ w["last"] + z @ w["skip"] + free @ w["free_last"] + w["last_bias"]
        points: FloatArray = CENTRE + SPREAD * units
        return points

    def export(self) -> dict[str, bytes]:
        """Return one graph with the four components side by side."""
        graph = GraphBuilder(self.name)
        z = self._add_standard(graph)
        w: dict[str, Any] = {name: graph.constant(name, value) for name, value in self.weights.items()}

        def product(source: str, weight: str) -> str:
            return graph.node("MatMul", [source, w[weight]], f"{source}_{weight}")

        def layer(name: str, parts: list[str], bias: str, active: bool = True) -> str:
            total = parts[0]
            for i, part in enumerate([*parts[1:], w[bias]]):
                total = graph.node("Add", [total, part], f"{name}_sum_{i}")
            return graph.node("Tanh", [total], name) if active else total

        free = layer("free", [product(z, "free_in")], "free_bias")
        first = layer("first", [product(z, "signed_in"), product(free, "free_first")], "first_bias")
        second = layer("hidden", [product(first, "second")], "second_bias")
        ends = [product(second, "last"), product(z, "skip"), product(free, "free_last")]
        units = layer("units", ends, "last_bias", active=False)
        wide = graph.node("Mul", [units, graph.constant("spread", SPREAD)], "wide")
        graph.node("Add", [wide, graph.constant("centre", CENTRE)], "points")
        return {self.name: graph.build({"features": ["rows", len(NAMES)]}, {"points": ["rows", len(COMPONENTS)]})}

    def _add_standard(self, graph: GraphBuilder) -> str:
        centred = graph.node("Sub", ["features", graph.constant("mean", self.mean)], "centred")
        scaled = graph.node("Div", [centred, graph.constant("deviation", self.deviation)], "scaled")
        limits = [graph.constant("least", -LIMIT), graph.constant("most", LIMIT)]
        return graph.node("Clip", [scaled, *limits], "scores")
