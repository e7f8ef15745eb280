"""The benchmark's models as their own libraries predict them: what a peer's author would write.

Every file is in a safe format; skops loads only the types that scikit-learn's forests consist of.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Predict = Callable[[Any], Any]


def load_native(path: Path) -> Predict:
    """Return a function from a float32 array of rows to predictions of shape (rows, 1)."""
    loaders = {".ubj": _xgboost, ".skops": _scikit_learn, ".safetensors": _torch}
    if path.suffix not in loaders:
        raise ValueError(f"{path} has the format {path.suffix!r}; the peers load {', '.join(loaders)}")
    return loaders[path.suffix](path)


def _xgboost(path: Path) -> Predict:
    import xgboost

    model = xgboost.XGBClassifier()
    model.load_model(path)
    return lambda rows: model.predict_proba(rows)[:, 1:]


def _scikit_learn(path: Path) -> Predict:
    import skops.io

    model = skops.io.load(path, trusted=["sklearn.tree._tree.Tree"])
    return lambda rows: model.predict(rows)[:, None]


def _torch(path: Path) -> Predict:
    import torch
    from safetensors.torch import load_file

    from components.models.bench.bench_lstm.network import AttentionLstm

    torch.set_num_threads(1)
    model = AttentionLstm()
    model.load_state_dict(load_file(path))
    model.eval()

    def predict(rows: Any) -> Any:
        with torch.inference_mode():
            return model(torch.from_numpy(rows)).numpy()

    return predict
