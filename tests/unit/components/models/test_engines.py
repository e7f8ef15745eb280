"""The engine table picks by batch size, and XGBoost called through C answers as XGBoost does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from components.errors import ArtifactCorrupt
from components.models.engines import EngineTable, max_difference, measure
from components.models.xgboost_native import NativeBooster


def test_pick_takes_the_line_that_is_lower() -> None:
    table = EngineTable({"onnx": {1: 10.0, 101: 1010.0}, "native": {1: 140.0, 101: 440.0}})
    assert [table.pick(r) for r in (1, 19, 20, 256)] == ["onnx", "onnx", "native", "native"]
    assert table.expected("native", 201) == pytest.approx(740.0)


def test_table_survives_json() -> None:
    table = EngineTable({"onnx": {1: 10.0, 8: 40.5}})
    assert EngineTable.from_dict(table.to_dict()) == table


def test_measure_asks_every_engine_for_every_size_with_changing_rows() -> None:
    seen: dict[int, set[float]] = {1: set(), 4: set()}

    def engine(rows: np.ndarray) -> np.ndarray:
        seen[len(rows)].add(float(rows[0, 0]))
        return rows[:, 0]

    pool = np.arange(64.0).reshape(64, 1)
    table = measure({"a": engine}, pool, rows=(1, 4), seconds=0.005)
    assert set(table.microseconds["a"]) == {1, 4}
    assert len(seen[1]) > 3
    with pytest.raises(ValueError, match="pool has 64"):
        measure({"a": engine}, pool, rows=(65,))


def test_max_difference() -> None:
    pool = np.arange(4.0)
    assert max_difference({"a": lambda x: x, "b": lambda x: x + 0.25}, pool) == 0.25
    assert max_difference({"a": lambda x: x}, pool) == 0.0


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
    native = NativeBooster(path)
    np.testing.assert_array_equal(native.predict(x)[:, 0], expected)
    rows = np.concatenate([native.predict(x[i : i + 1]) for i in range(50)])
    np.testing.assert_array_equal(rows[:, 0], expected[:50])


def test_native_booster_is_safe_in_threads(booster: tuple[Path, np.ndarray, np.ndarray]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    path, x, expected = booster
    native = NativeBooster(path)
    with ThreadPoolExecutor(4) as pool:
        for start, got in zip(range(300), pool.map(lambda s: native.predict(x[s : s + 100]), range(300)), strict=True):
            np.testing.assert_array_equal(got[:, 0], expected[start : start + 100])


def test_native_booster_imports_no_xgboost(booster: tuple[Path, np.ndarray, np.ndarray]) -> None:
    code = (
        "import sys; from pathlib import Path; from components.models.xgboost_native import NativeBooster; "
        "NativeBooster(Path(sys.argv[1])); assert 'xgboost' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(booster[0])], check=True)


def test_broken_model_is_one_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "model.ubj"
    path.write_bytes(b"{L\x00\x00")
    with pytest.raises(ArtifactCorrupt, match=r"model\.ubj"):
        NativeBooster(path)
