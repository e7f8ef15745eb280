"""Inputs that are text or of no fixed length: held at the instance's values by every method, read from requests."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pytest

from components.errors import ConfigurationError, InvalidRequest
from components.models.schema import Batch, Column, Schema, Tensor
from components.models.spec import ExplainerSpec
from inference.explain.counterfactual import CounterfactualOptions, counterfactual
from inference.explain.global_importance import ImportanceOptions, global_importance
from inference.explain.kinds import METHODS, pick, pick_shap
from inference.explain.lime_tabular import lime_tabular
from inference.explain.packing import Packing
from inference.explain.permutation_shap import permutation_shap
from inference.explain.problem import BATCH_VALUES, Problem, find_target
from inference.explain.question import QuestionReader
from inference.explain.surrogate_tree import TreeOptions, surrogate_tree
from tests.support.basket import basket_problem, basket_rows

INSTANCE: dict[str, Any] = {
    "holdings": ["A", "DDDD"],
    "weights": [0.25, 0.75],
    "terms": {"leverage": 2.0, "days": 10.0},
}


class Watched:
    """Notes what a problem's model is asked."""

    def __init__(self, problem: Problem) -> None:
        self.asked: list[Batch] = []
        self.predict = problem.predict
        problem.predict = self

    def __call__(self, batch: Batch, outputs: tuple[str, ...]) -> Batch:
        self.asked.append(batch)
        return self.predict(batch, outputs)


def at_instance(problem: Problem) -> tuple[Problem, np.ndarray[Any, Any]]:
    batch = problem.packing.read_instance(INSTANCE, "instances[0]")
    return problem.at(problem.packing.context(batch)), problem.packing.pack(batch)[0]


def test_only_fixed_numbers_are_packed() -> None:
    packing = basket_problem().packing
    assert [g.name for g in packing.groups] == ["leverage", "days"]
    assert [t.name for t in packing.held] == ["holdings", "weights", "correlations"]
    rows = basket_rows(3)
    joined = packing.join(packing.pack(rows), packing.context(rows))
    assert list(joined) == list(packing.schema.names)
    assert all(np.array_equal(joined[name], rows[name]) for name in rows)


@pytest.mark.parametrize(
    "explain",
    [
        permutation_shap,
        lime_tabular,
        lambda p, r: counterfactual(p, r, CounterfactualOptions(at_most=0.01)),
        METHODS["sensitivity"].explain,
    ],
    ids=["permutation_shap", "lime_tabular", "counterfactual", "sensitivity"],
)
def test_the_instances_context_stands_beside_every_row_and_no_other(explain: Any) -> None:
    problem = basket_problem()
    watched = Watched(problem)
    problem, row = at_instance(problem)
    explain(problem, row)
    assert sum(len(batch["terms"]) for batch in watched.asked) > 4
    for batch in watched.asked:
        assert (batch["holdings"] == np.array(["A", "DDDD"], dtype=object)).all()
        assert (batch["weights"] == [0.25, 0.75]).all()
        assert batch["correlations"].shape == (len(batch["terms"]), 0, 0), "the instance leaves them out"


def test_attributions_are_of_the_fixed_inputs_given_the_context() -> None:
    """Risk is a product of leverage, a root of days, and a constant of the context: Shapley values in closed form."""
    problem, row = at_instance(basket_problem())
    answer = permutation_shap(problem, row)
    sizes = np.array([0.25 * 0.11, 0.75 * 0.14])
    constant = float(np.sqrt((sizes**2).sum()))
    lever, root = problem.background[:, 0], np.sqrt(problem.background[:, 1] / 252.0)
    x, y = 2.0, np.sqrt(10.0 / 252.0)
    expected = float(np.mean((x - lever) * (y + root) / 2.0)) * constant
    found = {a["feature"]: a["attribution"] for a in answer["attributions"]}
    assert found["leverage"] == pytest.approx(expected)
    assert answer["prediction"] == pytest.approx(x * y * constant)
    assert answer["additivity"]["holds"]


@pytest.mark.parametrize(
    "explain",
    [
        lambda p: global_importance(p, ImportanceOptions(rows=4, repeats=2)),
        lambda p: surrogate_tree(p, TreeOptions(samples=256)),
    ],
    ids=["global_importance", "surrogate_tree"],
)
def test_of_a_whole_model_each_row_keeps_its_own_context(explain: Any) -> None:
    problem = basket_problem()
    watched = Watched(problem)
    explain(problem)
    known = {_told(problem.contexts, i) for i in range(len(problem.background))}
    asked = {_told(batch, i) for batch in watched.asked for i in range(len(batch["terms"]))}
    assert asked <= known, "a context that no row of the background has"
    assert len(asked) > 1


def _told(batch: Any, row: int) -> str:
    return str([batch[name][row].tolist() for name in ("holdings", "weights", "correlations")])


def test_long_contexts_go_in_smaller_batches() -> None:
    problem = basket_problem()
    watched, long = Watched(problem), 300
    context = {
        "holdings": np.full((1, long), "A", dtype=object),
        "weights": np.full((1, long), 1.0 / long),
        "correlations": np.broadcast_to(np.eye(long), (1, long, long)),
    }
    found = problem.at(context)(problem.background)
    assert len(found) == len(problem.background)
    assert len(watched.asked) > 1
    assert all(batch["correlations"].size <= BATCH_VALUES for batch in watched.asked)


def test_instances_of_one_request_may_differ_in_length() -> None:
    reader = QuestionReader(basket_problem(), "sensitivity", ExplainerSpec())
    other = {**INSTANCE, "holdings": ["BB"], "weights": [1.0], "correlations": [[1.0]]}
    question = reader.read(orjson.dumps({"instances": [INSTANCE, other]}))
    assert question.rows.tolist() == [[2.0, 10.0], [2.0, 10.0]]
    assert [c["holdings"].shape for c in question.contexts] == [(1, 2), (1, 1)]
    assert [c["correlations"].shape for c in question.contexts] == [(1, 0, 0), (1, 1, 1)]


def test_v2_bodies_bring_their_context_too() -> None:
    reader = QuestionReader(basket_problem(), "sensitivity", ExplainerSpec())
    inputs = [
        {"name": "holdings", "datatype": "BYTES", "shape": [2, 1], "data": ["A", "BB"]},
        {"name": "weights", "datatype": "FP64", "shape": [2, 1], "data": [1.0, 1.0]},
        {"name": "terms", "datatype": "FP64", "shape": [2, 2], "data": [1.0, 5.0, 2.0, 6.0]},
    ]
    question = reader.read(orjson.dumps({"inputs": inputs}))
    assert question.rows.tolist() == [[1.0, 5.0], [2.0, 6.0]]
    assert [c["holdings"][0, 0] for c in question.contexts] == ["A", "BB"]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"holdings": ["A", 3]}, "instances[0].holdings"),
        ({"holdings": ["A", ["B"]]}, "instances[0].holdings"),
        ({"weights": ["x", "y"]}, "instances[0].weights"),
        ({"weights": [0.5]}, "weights"),
        ({"weights": [[0.5, 0.5], [0.5, 0.5]]}, "instances[0].weights"),
        ({"terms": [9.0, 1.0]}, "terms.leverage[0]"),
    ],
)
def test_wrong_contexts_are_refused_with_their_path(change: dict[str, Any], path: str) -> None:
    reader = QuestionReader(basket_problem(), "sensitivity", ExplainerSpec())
    with pytest.raises(InvalidRequest) as caught:
        reader.read(orjson.dumps({"instances": [{**INSTANCE, **change}]}))
    assert caught.value.path == path


def test_a_packed_row_is_not_enough_where_something_is_held() -> None:
    with pytest.raises(InvalidRequest, match="leaves out holdings, weights, correlations"):
        basket_problem().packing.read_instance([2.0, 10.0], "instances[0]")


def wordy() -> Problem:
    """A model of text alone."""
    inputs, outputs = Schema((Tensor("note", "BYTES"),)), Schema((Tensor("score", "FP64"),))
    packing = Packing(inputs)
    notes = {"note": np.array(["a", "bb"], dtype=object)}
    return Problem(
        packing,
        packing.pack(notes),
        lambda batch, _: {"score": np.array([float(len(n)) for n in batch["note"]])},
        find_target(outputs, ExplainerSpec()),
        outputs=outputs,
        contexts=packing.context(notes),
    )


def test_a_model_without_fixed_numbers_says_which_kinds_it_has() -> None:
    problem = wordy()
    assert problem.usual().tolist() == [1.0, 2.0]
    reader = QuestionReader(problem, "permutation_shap", ExplainerSpec())
    for kind in ("permutation_shap", "shap", "global_importance", "sensitivity"):
        with pytest.raises(InvalidRequest, match="takes no fixed numeric input") as caught:
            reader.read(orjson.dumps({"instances": [{"note": "abc"}], "parameters": {"kind": kind}}))
        assert caught.value.path == "parameters.kind"
    with pytest.raises(ConfigurationError, match="cannot explain this model"):
        pick(ExplainerSpec(), "", problem)


def test_the_default_fits_the_model() -> None:
    spec = ExplainerSpec(kinds=("decomposition", "sensitivity"))
    assert pick(spec, "", basket_problem()) == "decomposition"
    assert pick(spec, "", basket_problem(contributions="")) == "sensitivity"
    assert pick(spec, "decomposition", basket_problem(contributions="")) == "sensitivity", "one setting for many models"
    assert pick_shap(spec) == "decomposition"
    assert pick_shap(ExplainerSpec(kinds=("decomposition", "permutation_shap"))) == "permutation_shap"


def test_columns_of_a_table_of_any_length_are_held() -> None:
    schema = Schema((Tensor("lots", "FP64", (-1, 2), (Column("price"), Column("size"))), Tensor("age", "FP64")))
    packing = Packing(schema)
    assert [g.name for g in packing.groups] == ["age"]
    batch = packing.read_instance({"lots": [[1, 2], [3, 4], [5, 6]], "age": 3}, "i")
    assert packing.context(batch)["lots"].shape == (1, 3, 2)
