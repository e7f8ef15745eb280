"""The torch network of the LSTM with attention, and its training loop. Imported only where training happens."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn


class AttentionNetwork(nn.Module):
    """LSTM, additive attention over its states, dense layer on the context and a few scalars.

    Parameters
    ----------
    channels, scalars, hidden, horizons : int
        Sizes of the bar, of the scalar features, of the state and of the output.
    """

    def __init__(self, channels: int, scalars: int, hidden: int, horizons: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, hidden, batch_first=True)
        self.key = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1, bias=False)
        self.head = nn.Linear(hidden + scalars, horizons)
        # Start at "no change": with so little signal a random start costs epochs to unlearn.
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, sequence: Tensor, scalars: Tensor) -> Tensor:
        """Return log returns in units of volatility, shape (rows, horizons)."""
        states, _ = self.lstm(sequence)
        share = torch.softmax(self.score(torch.tanh(self.key(states))), dim=1)
        return self.head(torch.cat([(states * share).sum(dim=1), scalars], dim=1))


def build_network(channels: int, scalars: int, hidden: int, horizons: int) -> AttentionNetwork:
    """Return a fresh network; the caller seeds torch first."""
    return AttentionNetwork(channels, scalars, hidden, horizons)


class AdamW:
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101), the same as torch's.

    Making one of torch's own optimisers imports its compiler, which takes longer than the training.

    Parameters
    ----------
    weights : list of Tensor
        What is trained; each must have a gradient at every step.
    rate, decay : float
        Learning rate and weight decay.
    """

    BETAS = (0.9, 0.999)
    EPSILON = 1e-8

    def __init__(self, weights: list[nn.Parameter], rate: float, decay: float = 1e-2) -> None:
        self.weights, self.rate, self.decay, self.steps = weights, rate, decay, 0
        self.means = [torch.zeros_like(w) for w in weights]
        self.squares = [torch.zeros_like(w) for w in weights]

    @torch.no_grad()
    def step(self) -> None:
        """Move the weights against their gradients."""
        self.steps += 1
        (b1, b2), count = self.BETAS, self.steps
        for weight, mean, square in zip(self.weights, self.means, self.squares, strict=True):
            gradient = weight.grad
            assert gradient is not None, "backward before step"
            weight.mul_(1 - self.rate * self.decay)
            mean.lerp_(gradient, 1 - b1)
            square.mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
            spread = (square.sqrt() / (1 - b2**count) ** 0.5).add_(self.EPSILON)
            weight.addcdiv_(mean, spread, value=-self.rate / (1 - b1**count))


def train_network(
    network: AttentionNetwork,
    train: list[Tensor],
    check: list[Tensor],
    epochs: int,
    batch: int,
    rate: float,
    seed: int,
) -> list[float]:
    """Train with AdamW and keep the epoch with the least validation loss; returns the loss after each epoch.

    Parameters
    ----------
    train, check : list of Tensor
        Sequence, scalars and target.
    epochs, batch, rate, seed
        Passes, rows of a step, learning rate, seed of the shuffling.
    """
    optimiser = AdamW(list(network.parameters()), rate)
    shuffle = torch.Generator().manual_seed(seed)
    losses: list[float] = []
    best = copy.deepcopy(network.state_dict())
    for _ in range(epochs):
        network.train()
        for rows in torch.randperm(len(train[0]), generator=shuffle).split(batch):
            network.zero_grad()
            loss = nn.functional.mse_loss(network(train[0][rows], train[1][rows]), train[2][rows])
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimiser.step()
        network.eval()
        with torch.inference_mode():
            losses.append(float(nn.functional.mse_loss(network(check[0], check[1]), check[2])))
        if losses[-1] <= min(losses):
            best = copy.deepcopy(network.state_dict())
    network.load_state_dict(best)
    return losses
