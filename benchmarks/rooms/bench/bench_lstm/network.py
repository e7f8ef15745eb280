"""The network itself, in torch: shared by training and by the peers that serve it natively."""

from __future__ import annotations

import torch
from torch import nn


class AttentionLstm(nn.Module):
    """LSTM, softmax attention over its steps, linear head.

    Parameters
    ----------
    channels, hidden : int
        Sizes of the input and of the state.
    """

    def __init__(self, channels: int = 16, hidden: int = 64) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, hidden, batch_first=True)
        self.score = nn.Linear(hidden, 1)
        self.head = nn.Linear(hidden, 1)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Map windows of shape (rows, steps, channels) to predictions of shape (rows, 1)."""
        states, _ = self.lstm(window)
        weights = torch.softmax(self.score(states), dim=1)
        return self.head((weights * states).sum(dim=1))
