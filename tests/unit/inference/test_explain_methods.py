"""Permutation SHAP against the definition of Shapley values, and packing, targets and answers."""

from __future__ import annotations

from itertools import combinations
from math import factorial

import numpy as np
import pytest

from components.errors import ConfigurationError, InvalidRequest
from components.models.schema import Batch, Column, Schema, Tensor
from components.models.spec import ExplainerSpec
from inference.explain.kinds import pick
from inference.explain.packing import Packing
from inference.explain.permutation_shap import permutation_shap
from inference.explain.problem import Problem, find_target

INPUTS = Schema(
    (
        Tensor("features", "FP64", (4,), tuple(Column(n, "pct") for n in ("close", "b", "c", "d"))),
        Tensor("window", "FP32", (3, 2), (Column("close"), Column("volume"))),
    )
)
OUTPUTS = Schema((Tensor("price", "FP64", (2,), (Column("near", "points"), Column("far", "points"))),))


def predict(batch: Batch, outputs: tuple[str, ...] = ("price",)) -> Batch:
    f, w = batch["features"], batch["window"].astype(float)
    near = f[:, 0] + f[:, 1] * f[:, 2] * f[:, 3] + np.tanh(w.sum(axis=(1, 2))) * f[:, 2]
    return {"price": np.column_stack([near, 2 * near])}


@pytest.fixture
def problem() -> Problem:
    rng = np.random.default_rng(1)
    return Problem(
        Packing(INPUTS),
        rng.normal(size=(24, 10)).astype(np.float32).astype(float),
        predict,
        find_target(OUTPUTS, ExplainerSpec(output="price", column="near")),
        outputs=OUTPUTS,
    )


@pytest.fixture
def row() -> np.ndarray:
    return np.random.default_rng(2).normal(size=10).astype(np.float32).astype(float)


def exact_shapley(problem: Problem, row: np.ndarray) -> np.ndarray:
    """The definition: a weighted mean over all coalitions; the slow oracle."""
    groups = problem.packing.groups
    count = len(groups)

    def worth(coalition: tuple[int, ...]) -> float:
        rows = problem.background.copy()
        for j in coalition:
            rows[:, groups[j].start : groups[j].stop] = row[groups[j].start : groups[j].stop]
        return float(problem(rows).mean())

    values = np.zeros(count)
    for j in range(count):
        others = [k for k in range(count) if k != j]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for coalition in combinations(others, size):
                values[j] += weight * (worth((*coalition, j)) - worth(coalition))
    return values


def by_feature(answer: dict, key: str = "attribution") -> dict[str, float]:
    return {a["feature"]: a[key] for a in answer["attributions"]}


def test_it_approaches_the_exact_values_within_its_standard_errors(problem: Problem, row: np.ndarray) -> None:
    problem.budget_rows = 20_000
    answer = permutation_shap(problem, row)
    exact = dict(zip([g.name for g in problem.packing.groups], exact_shapley(problem, row), strict=True))
    found, error = by_feature(answer), by_feature(answer, "standard_error")
    assert set(found) == {"close", "b", "c", "d", "window"}
    for name, value in exact.items():
        assert abs(found[name] - value) < 0.02 + 0.5 * error[name], name


def test_it_is_exact_for_pairwise_interactions_with_one_pass(problem: Problem, row: np.ndarray) -> None:
    problem.predict = lambda b, _: {"price": np.repeat((b["features"][:, :1] * b["features"][:, 1:2]) + 3.0, 2, axis=1)}
    problem.budget_rows = 1
    problem.background = problem.background[:2]
    found = by_feature(permutation_shap(problem, row))
    exact = exact_shapley(problem, row)
    assert [found[g.name] for g in problem.packing.groups] == pytest.approx(exact.tolist(), abs=1e-9)


def test_it_adds_up_is_sorted_and_repeats_itself(problem: Problem, row: np.ndarray) -> None:
    first, second = permutation_shap(problem.asked("", ""), row), permutation_shap(problem.asked("", ""), row)
    assert first == second
    assert first["additivity"]["holds"]
    assert first["base_value"] == pytest.approx(float(problem(problem.background).mean()))
    sizes = [abs(a["attribution"]) for a in first["attributions"]]
    assert sizes == sorted(sizes, reverse=True)
    assert first["prediction"] == pytest.approx(float(problem(row[None])[0]))
    assert first["why"].startswith("price.near is ")
    assert all(a["feature"] in first["why"] for a in first["attributions"][:3])


def test_the_budget_is_kept_by_thinning_the_background(problem: Problem, row: np.ndarray) -> None:
    problem.budget_rows = 100
    answer = permutation_shap(problem, row)
    assert answer["background_rows"] == 10
    assert answer["model_rows"] <= 101


def test_the_change_against_a_column_can_be_explained(problem: Problem, row: np.ndarray) -> None:
    change = problem.asked("", "close")
    assert change(row[None])[0] == pytest.approx(problem(row[None])[0] - row[0])
    found = by_feature(permutation_shap(change, row))
    assert found["close"] == pytest.approx(0.0, abs=1e-9), "the model adds the close as it is"
    with pytest.raises(InvalidRequest, match="no input column 'nope'"):
        problem.asked("", "nope")


def test_a_model_of_one_feature_is_explained_by_it() -> None:
    packing = Packing(Schema((Tensor("x", "FP64", (1,), (Column("x"),)),)))
    target = find_target(Schema((Tensor("y", "FP64"),)), ExplainerSpec())
    answer = permutation_shap(
        Problem(packing, np.zeros((3, 1)), lambda b, _: {"y": 2 * b["x"][:, 0]}, target), np.ones(1)
    )
    assert by_feature(answer) == {"x": 2.0}


def test_packing_round_trips_and_keeps_dtypes() -> None:
    packing = Packing(INPUTS)
    batch = {"features": np.arange(8.0).reshape(2, 4), "window": np.arange(12, dtype=np.float32).reshape(2, 3, 2)}
    again = packing.unpack(packing.pack(batch))
    assert {k: v.dtype for k, v in again.items()} == {"features": np.float64, "window": np.float32}
    assert all(np.array_equal(again[k], batch[k]) for k in batch)
    assert [(g.name, g.start, g.stop) for g in packing.groups][-2:] == [("d", 3, 4), ("window", 4, 10)]
    assert packing.owner.tolist() == [0, 1, 2, 3, 4, 4, 4, 4, 4, 4]


@pytest.mark.parametrize(
    ("instance", "path"),
    [
        ({"window": [[0, 0]] * 3}, "instances[0].features"),
        ({"features": {"close": 1, "b": 2, "c": 3}, "window": [[0, 0]] * 3}, "instances[0].features"),
        ({"features": {"close": 1, "b": "x", "c": 3, "d": 4}, "window": [[0, 0]] * 3}, "instances[0].features.b"),
        ({"features": [1, 2, 3], "window": [[0, 0]] * 3}, "instances[0].features"),
        ({"features": [1, 2, 3, 4], "window": [[0, 0], [0], [1, 1]]}, "instances[0].window"),
        ([1.0, 2.0], "instances[0]"),
        ("text", "instances[0]"),
    ],
)
def test_a_wrong_instance_is_refused_with_its_path(instance: object, path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Packing(INPUTS).read_instance(instance, "instances[0]")
    assert caught.value.path == path


def test_wrong_targets_are_configuration_errors() -> None:
    with pytest.raises(ConfigurationError, match="explains the output 'nope'"):
        find_target(OUTPUTS, ExplainerSpec(output="nope"))
    with pytest.raises(ConfigurationError, match="the column 'nope'"):
        find_target(OUTPUTS, ExplainerSpec(output="price", column="nope"))


def test_the_default_kind_is_the_first_that_can_run_here() -> None:
    assert pick(ExplainerSpec()) == "permutation_shap"
    with pytest.raises(ConfigurationError, match="needs Alibi"):
        pick(ExplainerSpec(), "anchor_tabular")
    with pytest.raises(ConfigurationError, match="There is no explainer 'lime'"):
        pick(ExplainerSpec(), "lime")


def test_a_request_may_choose_another_output(problem: Problem, row: np.ndarray) -> None:
    near, far = permutation_shap(problem, row), permutation_shap(problem.asked("price.far", ""), row)
    assert far["output"] == "price.far"
    assert far["prediction"] == pytest.approx(2 * near["prediction"])
    with pytest.raises(InvalidRequest, match=r"no output 'price\.nowhere'"):
        problem.asked("price.nowhere", "")
