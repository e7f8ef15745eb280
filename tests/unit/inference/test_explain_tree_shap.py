"""Exact TreeSHAP through XGBoost's C interface: equal to XGBoost's own, additive, and refused where it would be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.errors import InvalidRequest
from components.models.schema import Column, Schema, Tensor
from components.models.spec import ExplainerSpec
from inference.explain.kinds import METHODS, pick_shap
from inference.explain.native_trees import ExplainedBooster
from inference.explain.packing import Packing
from inference.explain.permutation_shap import permutation_shap
from inference.explain.problem import Problem, find_target
from inference.explain.tree_shap import tree_shap

xgboost = pytest.importorskip("xgboost")
PACKING = Packing(Schema((Tensor("x", "FP32", (4,), tuple(Column(n) for n in "abcd")),)))
TARGET = find_target(Schema((Tensor("y", "FP32", unit="points"),)), ExplainerSpec())


@pytest.fixture(scope="module")
def table() -> np.ndarray:
    return np.random.default_rng(3).normal(size=(400, 4)).astype(np.float32)


def trained(table: np.ndarray, objective: str, folder: Path) -> xgboost.Booster:
    target = 2.0 * table[:, 0] * table[:, 1] + table[:, 2]
    label = (target > 0.0).astype(float) if objective.startswith("binary") else target
    settings = {"objective": objective, "max_depth": 3, "nthread": 1}
    booster = xgboost.train(settings, xgboost.DMatrix(table, label=label), num_boost_round=15)
    booster.save_model(folder / "model.ubj")
    return booster


def explained(table: np.ndarray, booster: xgboost.Booster, folder: Path) -> Problem:
    return Problem(
        PACKING,
        table[:40].astype(float),
        lambda batch, output: {"y": booster.predict(xgboost.DMatrix(batch["x"]))},
        TARGET,
        model_directory=folder,
    )


@pytest.mark.parametrize("objective", ["reg:squarederror", "binary:logistic"])
def test_it_adds_up_and_equals_xgboosts_own(table: np.ndarray, objective: str, tmp_path: Path) -> None:
    booster = trained(table, objective, tmp_path)
    answer = tree_shap(explained(table, booster, tmp_path), table[7].astype(float))
    expected = booster.predict(xgboost.DMatrix(table[7:8]), pred_contribs=True)[0]
    found = {a["feature"]: a["attribution"] for a in answer["attributions"]}
    assert [found[n] for n in "abcd"] == pytest.approx(expected[:4].tolist(), abs=1e-6)
    assert answer["base_value"] == pytest.approx(float(expected[4]), abs=1e-6)
    margin = float(booster.predict(xgboost.DMatrix(table[7:8]), output_margin=True)[0])
    assert answer["prediction"] == pytest.approx(margin, abs=1e-5)
    assert sum(found.values()) + answer["base_value"] == pytest.approx(margin, abs=1e-5)
    assert answer["additivity"]["holds"]
    assert answer["unit"] == ("log-odds" if objective.startswith("binary") else "points")
    assert answer["served_prediction"] == pytest.approx(float(booster.predict(xgboost.DMatrix(table[7:8]))[0]))


def test_sampling_agrees_with_the_exact_values_in_what_matters_most(table: np.ndarray, tmp_path: Path) -> None:
    booster = trained(table, "reg:squarederror", tmp_path)
    asked = explained(table, booster, tmp_path)
    exact, sampled = (
        {a["feature"]: a["attribution"] for a in method(asked, table[9].astype(float))["attributions"]}
        for method in (tree_shap, permutation_shap)
    )
    assert max(exact, key=lambda n: abs(exact[n])) == max(sampled, key=lambda n: abs(sampled[n]))
    assert np.corrcoef([exact[n] for n in "abcd"], [sampled[n] for n in "abcd"])[0, 1] > 0.9


def test_a_blend_is_refused(table: np.ndarray, tmp_path: Path) -> None:
    booster = trained(table, "reg:squarederror", tmp_path)
    asked = explained(table, booster, tmp_path)
    trees = asked.predict
    asked.predict = lambda batch, output: {"y": 0.5 * trees(batch, output)["y"] + 0.5 * batch["x"][:, 0]}
    with pytest.raises(InvalidRequest, match="its answers are not those of the trees") as caught:
        tree_shap(asked, table[0].astype(float))
    assert caught.value.path == "parameters.kind"


def test_no_trees_and_differences_are_refused(table: np.ndarray, tmp_path: Path) -> None:
    booster = trained(table, "reg:squarederror", tmp_path)
    asked = explained(table, booster, tmp_path / "elsewhere")
    with pytest.raises(InvalidRequest, match=r"has no model\.ubj"):
        tree_shap(asked, table[0].astype(float))
    asked.model_directory = tmp_path
    with pytest.raises(InvalidRequest, match="is a difference"):
        tree_shap(asked.asked("", "a"), table[0].astype(float))


def test_rows_at_once_equal_rows_alone(table: np.ndarray, tmp_path: Path) -> None:
    trained(table, "reg:squarederror", tmp_path)
    native = ExplainedBooster((tmp_path / "model.ubj").read_bytes())
    together = native.contributions(table[:20])
    alone = np.concatenate([native.contributions(table[i : i + 1]) for i in range(20)])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_allclose(together.sum(axis=1), native.margin(table[:20]), atol=1e-5)


def test_the_word_shap_means_the_specs_first_that_can_run() -> None:
    assert pick_shap(ExplainerSpec()) in ("kernel_shap", "permutation_shap")
    assert pick_shap(ExplainerSpec(kinds=("lime_tabular", "tree_shap"))) == "tree_shap"
    assert pick_shap(ExplainerSpec(kinds=("lime_tabular",))) == "permutation_shap"
    assert METHODS["tree_shap"].library == "xgboost"
