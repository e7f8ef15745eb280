"""A forest written as a graph answers as scikit-learn does, and costs little memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingRegressor, RandomForestRegressor

from components.models.onnx_graphs import open_session
from components.models.onnx_trees import UnsupportedForest, forest_graph, round_down


@pytest.fixture(scope="module")
def patients() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_diabetes(return_X_y=True)
    return x.astype(np.float32), y


def answer(forest: Any, rows: np.ndarray, missing: bool = False) -> np.ndarray:
    session = open_session(forest_graph(forest, "features", "prediction", missing=missing))
    assert [value.name for value in session.get_outputs()] == ["prediction"]
    return session.run(None, {"features": rows})[0]


def at_thresholds(forest: Any, rows: np.ndarray, rounding: Any) -> np.ndarray:
    """Take real rows, each with one value moved to where a tree splits that feature."""
    trees = [e.tree_ for e in forest.estimators_]
    features = np.concatenate([t.feature[t.children_left >= 0] for t in trees])
    thresholds = np.concatenate([t.threshold[t.children_left >= 0] for t in trees])
    moved = rows[np.arange(len(features)) % len(rows)].copy()
    moved[np.arange(len(features)), features] = rounding(thresholds)
    return moved


@pytest.mark.parametrize("kind", [RandomForestRegressor, ExtraTreesRegressor])
def test_graph_equals_scikit_learn(kind: Any, patients: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = patients
    forest = kind(30, random_state=1).fit(x[:300], y[:300])
    np.testing.assert_allclose(answer(forest, x)[:, 0], forest.predict(x), rtol=1e-6)
    np.testing.assert_allclose(answer(forest, x[:1])[:, 0], forest.predict(x[:1]), rtol=1e-6)
    assert answer(forest, x).shape == (len(x), 1)


@pytest.mark.parametrize("towards", [-np.inf, 0.0, np.inf])
def test_values_at_thresholds_take_the_same_branch(towards: float, patients: tuple[np.ndarray, np.ndarray]) -> None:
    """One tree, so that a wrong branch cannot hide in a mean: just below, at and just above each threshold."""
    x, y = patients
    forest = RandomForestRegressor(1, bootstrap=False, random_state=1).fit(x, y)

    def nearby(thresholds: np.ndarray) -> np.ndarray:
        nearest = thresholds.astype(np.float32)
        return np.nextafter(nearest, np.float32(towards)) if towards else nearest

    rows = at_thresholds(forest, x, nearby)
    np.testing.assert_array_equal(answer(forest, rows)[:, 0], forest.predict(rows).astype(np.float32))


def test_round_down_is_the_largest_number_not_above() -> None:
    thresholds = np.concatenate(
        [np.random.default_rng(1).normal(size=1000), [0.1, -0.1, 0.5, 0.0, 1e-50, -1e-50, 1e30]]
    )
    rounded = round_down(thresholds)
    assert rounded.dtype == np.float32
    assert (rounded.astype(np.float64) <= thresholds).all()
    assert (np.nextafter(rounded, np.float32(np.inf)).astype(np.float64) > thresholds).all()
    assert (thresholds.astype(np.float32).astype(np.float64) > thresholds).sum() > 300, "the nearest is often above"


def test_trees_without_a_split(patients: tuple[np.ndarray, np.ndarray]) -> None:
    x, _ = patients
    constant = RandomForestRegressor(3, random_state=1).fit(x, np.full(len(x), 7.0))
    np.testing.assert_array_equal(answer(constant, x), 7.0)
    rare = np.zeros(len(x))
    rare[5] = 1.0  # a third of the bootstrap samples miss this row, and their trees are one leaf
    mixed = RandomForestRegressor(20, random_state=1).fit(x, rare)
    sizes = {e.tree_.node_count for e in mixed.estimators_}
    assert 1 in sizes
    assert len(sizes) > 1
    np.testing.assert_allclose(answer(mixed, x)[:, 0], mixed.predict(x), atol=1e-6)


def test_missing_values_follow_scikit_learn_when_asked(patients: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = patients
    x = np.where(np.random.default_rng(2).random(x.shape) < 0.2, np.float32(np.nan), x)
    forest = RandomForestRegressor(30, random_state=1).fit(x[:300], y[:300])
    np.testing.assert_allclose(answer(forest, x, missing=True)[:, 0], forest.predict(x), rtol=1e-6)
    assert np.abs(answer(forest, x)[:, 0] - forest.predict(x)).max() > 1


def test_other_estimators_are_refused(patients: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = patients
    with pytest.raises(UnsupportedForest, match="GradientBoostingRegressor is not a forest"):
        forest_graph(GradientBoostingRegressor(n_estimators=2).fit(x, y), "x", "y")
    with pytest.raises(UnsupportedForest, match="is not fitted"):
        forest_graph(RandomForestRegressor(), "x", "y")
    with pytest.raises(UnsupportedForest, match="has 2 outputs"):
        forest_graph(RandomForestRegressor(2).fit(x, np.stack([y, y], axis=1)), "x", "y")


MEMORY = """
import ctypes, re, sys
from pathlib import Path
from components.models.onnx_graphs import open_session
def resident():
    ctypes.CDLL(None).malloc_trim(0)
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
small, large = map(Path, sys.argv[1:])
first = open_session(small)
before = resident()
second = open_session(large)
print((resident() - before) * 1024)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads resident memory from Linux's /proc")
def test_graph_costs_less_than_a_hundred_bytes_a_node(tmp_path: Path) -> None:
    """Measured: 61, and 162 for what skl2onnx writes, whose strings and unused fields the runtime keeps."""
    rng = np.random.default_rng(3)
    x = rng.random((3000, 6), dtype=np.float32)
    forest = RandomForestRegressor(60, random_state=1).fit(x, rng.random(3000))
    nodes = sum(e.tree_.node_count for e in forest.estimators_)
    (tmp_path / "large.onnx").write_bytes(forest_graph(forest, "features", "prediction"))
    forest.estimators_ = forest.estimators_[:1]
    (tmp_path / "small.onnx").write_bytes(forest_graph(forest, "features", "prediction"))
    command = [sys.executable, "-c", MEMORY, str(tmp_path / "small.onnx"), str(tmp_path / "large.onnx")]
    used = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert used < 100 * nodes, f"{used / nodes:.0f} bytes a node"
