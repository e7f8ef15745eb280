"""Neural networks that are monotone in some of their inputs whatever their weights, in torch; imported for training.

Signed inputs pass only through weights of their own sign and then through weights that are not negative, with
increasing activations between them; the other inputs come in through a layer of their own, whose weights are free. A
path from a signed input to a score is then a product of factors of one sign: Sill (1998), Monotonic networks, NeurIPS
10; Daniels and Velikova (2010), Monotone and partially monotone neural networks, doi:10.1109/TNN.2010.2044803.

Each score has a network of its own. Where the scores share one, its non-negative layers serve those that are easy to
fit, and one of the others is sometimes left behind for good.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from components.models.portfolio.portfolio_health.params import Params

Float32 = npt.NDArray[np.float32]
START = -4.0
"""Where the parameters of non-negative weights start: softplus makes 0.02 of it. Weights that cannot cancel each other
add up, and a larger start saturates every tanh before the first step."""


class PartlyMonotone(nn.Module):
    """A network for each score, side by side: two hidden layers, a free layer, and straight lines from the inputs.

    Parameters
    ----------
    signs : Tensor of shape (inputs,)
        1 where an input may only raise every score, -1 where it may only lower them, 0 where it is free.
    hidden, scores : int
        Units of a network's first layer, and scores.
    """

    def __init__(self, signs: Tensor, hidden: int, scores: int) -> None:
        super().__init__()
        inputs, half = len(signs), hidden // 2
        self.signs: Tensor
        self.register_buffer("signs", signs[:, None])
        self.free_in = _free(scores, inputs, half)
        self.free_bias = nn.Parameter(torch.zeros(scores, 1, half))
        self.signed_in = _positive(scores, inputs, hidden)
        self.free_first = _free(scores, half, hidden)
        self.first_bias = nn.Parameter(torch.randn(scores, 1, hidden))
        self.second = _positive(scores, hidden, half)
        self.second_bias = nn.Parameter(torch.randn(scores, 1, half) * 0.5)
        self.last = _positive(scores, half, 1)
        self.skip = _positive(scores, inputs, 1)
        self.free_last = _free(scores, half, 1)
        self.last_bias = nn.Parameter(torch.zeros(scores, 1, 1))

    def constrained(self) -> dict[str, Tensor]:
        """Return every weight as it acts, of shape (scores, from, to)."""
        positive = nn.functional.softplus
        return {
            "free_in": self.free_in * (self.signs == 0),
            "free_bias": self.free_bias,
            "signed_in": self.signs * positive(self.signed_in),
            "free_first": self.free_first,
            "first_bias": self.first_bias,
            "second": positive(self.second),
            "second_bias": self.second_bias,
            "last": positive(self.last),
            "skip": self.signs * positive(self.skip),
            "free_last": self.free_last,
            "last_bias": self.last_bias,
        }

    def forward(self, z: Tensor) -> Tensor:
        """Return scores of shape (rows, scores) of standardised inputs of shape (rows, inputs)."""
        w = self.constrained()
        free = torch.tanh(z @ w["free_in"] + w["free_bias"])
        first = torch.tanh(z @ w["signed_in"] + free @ w["free_first"] + w["first_bias"])
        second = torch.tanh(first @ w["second"] + w["second_bias"])
        ends = second @ w["last"] + z @ w["skip"] + free @ w["free_last"] + w["last_bias"]
        return ends[..., 0].T

    def effective(self) -> dict[str, Float32]:
        """Return the weights as they act, of all the networks as one: side by side, with zeros between them."""
        w = {name: value.detach().numpy().astype(np.float32) for name, value in self.constrained().items()}
        wide = {"free_in", "signed_in", "skip"}
        return {
            name: np.concatenate(value, axis=1)
            if name in wide
            else np.concatenate(value[:, 0])
            if name.endswith("bias")
            else _blocks(value)
            for name, value in w.items()
        }


def _blocks(weights: Float32) -> Float32:
    """Return matrices of shape (networks, from, to) along the diagonal of one."""
    count, rows, columns = weights.shape
    whole = np.zeros((count, rows, count, columns), dtype=np.float32)
    whole[np.arange(count), :, np.arange(count)] = weights
    return whole.reshape(count * rows, count * columns)


def _free(scores: int, rows: int, columns: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(scores, rows, columns) / math.sqrt(rows))


def _positive(scores: int, rows: int, columns: int) -> nn.Parameter:
    return nn.Parameter(START + torch.randn(scores, rows, columns))


def train_network(
    x: Float32, wanted: Float32, signs: npt.NDArray[np.int64], params: Params
) -> tuple[PartlyMonotone, float]:
    """Train with Adam and a learning rate that falls along a half cosine; return it and its last epoch's loss.

    Parameters
    ----------
    x : ndarray of shape (rows, inputs)
        Standardised.
    wanted : ndarray of shape (rows, scores)
    signs : ndarray of shape (inputs,)
    params : Params
        Units, epochs, rows of a step, learning rate, seed.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(params.seed)
        network = PartlyMonotone(torch.from_numpy(signs.astype(np.float32)), params.hidden, wanted.shape[1])
    shuffle = torch.Generator().manual_seed(params.seed)
    inputs, targets = torch.from_numpy(x), torch.from_numpy(wanted)
    optimiser = torch.optim.Adam(network.parameters(), params.rate)
    loss = 0.0
    for epoch in range(params.epochs):
        _set_rate(optimiser, params.rate * 0.5 * (1 + math.cos(math.pi * epoch / params.epochs)))
        losses = []
        for rows in torch.randperm(len(inputs), generator=shuffle).split(params.batch):
            optimiser.zero_grad()
            step = nn.functional.mse_loss(network(inputs[rows]), targets[rows])
            step.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            losses.append(step.detach())
        loss = float(torch.stack(losses).mean())
    return network, loss


def _set_rate(optimiser: Any, rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate
