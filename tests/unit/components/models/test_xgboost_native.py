"""XGBoost called through its C interface answers as XGBoost does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.errors import ArtifactCorrupt
from components.models.xgboost_native import NativeBooster


@pytest.fixture(scope="module")
def booster(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray]:
    import xgboost

    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 5)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).astype(int)
    model = xgboost.XGBClassifier(n_estimators=20, max_depth=4, n_jobs=1).fit(x, y)
    path = tmp_path_factory.mktemp("booster") / "model.ubj"
    model.get_booster().save_model(path)
    x[0, 2] = np.nan
    return path, x, model.predict_proba(x)[:, 1]


def test_native_booster_equals_xgboost(booster: tuple[Path, np.ndarray, np.ndarray]) -> None:
    path, x, expected = booster
    native = NativeBooster(path.read_bytes())
    np.testing.assert_array_equal(native.predict(x)[:, 0], expected)
    rows = np.concatenate([native.predict(x[i : i + 1]) for i in range(50)])
    np.testing.assert_array_equal(rows[:, 0], expected[:50])


def test_native_booster_is_safe_in_threads(booster: tuple[Path, np.ndarray, np.ndarray]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    path, x, expected = booster
    native = NativeBooster(path.read_bytes())
    with ThreadPoolExecutor(4) as pool:
        for start, got in zip(range(300), pool.map(lambda s: native.predict(x[s : s + 100]), range(300)), strict=True):
            np.testing.assert_array_equal(got[:, 0], expected[start : start + 100])


def test_native_booster_imports_no_xgboost(booster: tuple[Path, np.ndarray, np.ndarray]) -> None:
    code = (
        "import sys; from pathlib import Path; from components.models.xgboost_native import NativeBooster; "
        "NativeBooster(Path(sys.argv[1]).read_bytes()); assert 'xgboost' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(booster[0])], check=True)


def test_broken_model_is_one_clear_error() -> None:
    with pytest.raises(ArtifactCorrupt, match="XGBoost refuses the model"):
        NativeBooster(b"{L\x00\x00")
