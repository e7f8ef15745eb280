"""What makes training quick must not change it: the optimiser written out, and the network that folds share."""

import subprocess
import sys

import numpy as np

from components.data.dataset import Dataset
from components.models.markets.price_forecast.members.keras_lstm import KerasLstm
from components.models.markets.price_forecast.params import Params

ADAMW = """
import copy, torch
from components.models.markets.price_forecast.members.attention_network import AdamW, build_network
torch.manual_seed(3)
ours = build_network(5, 4, 8, 3)
theirs = copy.deepcopy(ours)
sequence, scalars, target = torch.randn(64, 12, 5), torch.randn(64, 4), torch.randn(64, 3)
for network, optimiser in (
    (ours, AdamW(list(ours.parameters()), 3e-3, 1e-2)),
    (theirs, torch.optim.AdamW(theirs.parameters(), lr=3e-3, weight_decay=1e-2)),
):
    for _ in range(25):
        network.zero_grad()
        torch.nn.functional.mse_loss(network(sequence, scalars), target).backward()
        optimiser.step()
for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)
"""


def test_adamw_moves_weights_as_torchs_own_does() -> None:
    # A process of its own: importing torch's compiler where TensorFlow is loaded ends the process.
    subprocess.run([sys.executable, "-c", ADAMW], check=True, timeout=120)


def test_keras_folds_that_share_a_network_do_not_learn_from_each_other(dataset: Dataset) -> None:
    params = Params(keras_units=6, keras_epochs=1)
    first, second = np.arange(200), np.arange(200, 500)
    alone = KerasLstm(params).fit(dataset.take(second), dataset.take(first))
    before = alone.predict(dataset.inputs)
    other = KerasLstm(params).fit(dataset.take(first), dataset.take(second))
    again = KerasLstm(params).fit(dataset.take(second), dataset.take(first))
    assert np.array_equal(again.predict(dataset.inputs), before)
    assert not np.array_equal(other.predict(dataset.inputs), before)
    assert np.array_equal(alone.predict(dataset.inputs), before), "a later fit changed an earlier member"
