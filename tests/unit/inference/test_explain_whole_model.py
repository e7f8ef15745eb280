"""Global importance and the surrogate tree on functions whose truth is known; the keeper of such answers."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import numpy as np
import pytest

from components.errors import InvalidRequest
from inference.explain.global_importance import ImportanceOptions, global_importance, spearman
from inference.explain.served import ExplanationTooSlow, Watch
from inference.explain.surrogate_tree import TreeOptions, rules, surrogate_tree
from inference.explain.whole_model import StillComputing, TooManyExplanations, WholeModelAnswers
from tests.support.explained import WEIGHTS, problem


def test_the_ranks_and_sizes_of_a_linear_model_are_found() -> None:
    asked = problem()
    answer = global_importance(asked, ImportanceOptions(rows=64))
    found = {e["feature"]: e for e in answer["importance"]}
    assert [e["feature"] for e in answer["importance"]][:4] == ["rsi", "close", "orders", "ratio"]
    spread = np.abs(asked.background[:, :5] - asked.background[:, :5].mean(axis=0)).mean(axis=0)
    for j, name in enumerate(("close", "rsi", "ratio", "flat", "orders")):
        assert found[name]["mean_absolute_shap"] == pytest.approx(abs(WEIGHTS[j]) * spread[j], abs=1e-6)
    assert (found["rsi"]["direction"], found["close"]["direction"]) == (-1.0, 1.0)
    assert found["flat"]["permutation"] == {"mean": 0.0, "standard_deviation": 0.0}
    assert found["rsi"]["permutation"]["standard_deviation"] > 0.0
    assert answer["agreement"] > 0.9
    assert sum(e["share"] for e in answer["importance"]) == pytest.approx(1.0)
    assert answer["why"].startswith("score is moved most by rsi")


def test_it_repeats_itself_and_keeps_its_budget() -> None:
    first, second = (global_importance(problem(), ImportanceOptions(rows=8, repeats=2)) for _ in range(2))
    assert first == second
    assert first["model_rows"] <= 8 * 8192 + 64 * (2 * 6 + 2) + 8


def test_spearman_shares_ties_and_knows_a_constant() -> None:
    assert spearman(np.array([1.0, 2.0, 2.0, 3.0]), np.array([10.0, 20.0, 20.0, 30.0])) == 1.0
    assert spearman(np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])) == -1.0
    assert spearman(np.ones(3), np.arange(3.0)) is None


def stepped(f: np.ndarray, o: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.where(f[:, 1] <= 40.0, np.where(f[:, 0] <= 100.0, 1.0, 5.0), np.where(f[:, 2] <= 1.0, 10.0, 20.0))


def test_a_function_that_is_a_tree_is_reproduced_exactly() -> None:
    answer = surrogate_tree(problem(stepped), TreeOptions(max_depth=2))
    assert answer["fidelity"]["score"] == 1.0
    assert answer["fidelity"]["mean_absolute_error"] == pytest.approx(0.0, abs=1e-12)
    assert answer["trustworthy"]
    assert (answer["depth"], answer["leaves"]) == (2, 4)
    root = answer["tree"]
    assert root["feature"] == "rsi"
    assert root["threshold"] == pytest.approx(40.0, abs=3.0)
    assert {root["left"]["feature"], root["right"]["feature"]} == {"close", "ratio"}
    assert root["right"]["right"]["value"] == 20.0
    assert len(answer["rules"]) == 4
    assert answer["rules"][0].startswith("if rsi <= ")


def test_a_function_that_is_no_tree_is_said_to_be_none() -> None:
    answer = surrogate_tree(problem(), TreeOptions(max_depth=1))
    assert answer["fidelity"]["score"] < 0.9
    assert not answer["trustworthy"]
    assert "Too little to rely on" in answer["why"]


def test_classes_have_an_accuracy_and_the_usual_class_beside_it() -> None:
    answer = surrogate_tree(problem(stepped), TreeOptions(max_depth=3, of="class"))
    assert answer["classes"] == ["below", "above"]
    assert answer["fidelity"]["measure"] == "accuracy"
    assert answer["fidelity"]["score"] == 1.0
    assert 0.5 <= answer["fidelity"]["always_the_usual_class"] < 1.0
    with pytest.raises(InvalidRequest, match="to every row of its background"):
        surrogate_tree(problem(lambda f, o, w: np.zeros(len(f))), TreeOptions(of="class"))


def test_a_window_is_asked_value_by_value() -> None:
    answer = surrogate_tree(problem(lambda f, o, w: np.where(w[:, 2, 1] <= 0.0, -1.0, 1.0)), TreeOptions(max_depth=1))
    assert answer["tree"]["feature"] == "window[2].c"
    assert answer["fidelity"]["score"] == 1.0


def test_rules_join_the_bounds_of_a_feature() -> None:
    leaf = {"value": 1.0, "share": 0.25}
    inner = {"feature": "a", "threshold": 1.0, "left": leaf, "right": leaf}
    told = rules({"feature": "a", "threshold": 2.0, "left": inner, "right": leaf})
    assert told == [
        "if a <= 1 then 1 (25 % of rows)",
        "if 1 < a <= 2 then 1 (25 % of rows)",
        "if a > 2 then 1 (25 % of rows)",
    ]
    assert rules(leaf) == ["always 1 (25 % of rows)"]


def test_a_slow_answer_is_computed_once_and_waited_for_elsewhere() -> None:
    async def play() -> None:
        answers, go, count = WholeModelAnswers(wait_s=0.01), threading.Event(), []

        def compute() -> dict[str, Any]:
            count.append(1)
            go.wait(10)
            return {"done": True}

        for _ in range(3):
            with pytest.raises(StillComputing, match="is being computed") as caught:
                await answers.get("key", "global_importance", compute)
            assert caught.value.retry_after_s >= 1
        go.set()
        answers.wait_s = 10.0
        assert (await answers.get("key", "global_importance", compute))[0] == {"done": True}
        assert await answers.get("key", "global_importance", compute) == ({"done": True}, True)
        assert count == [1]
        answers.close()

    asyncio.run(play())


def test_a_failure_is_not_kept_and_the_queue_is_bounded() -> None:
    async def play() -> None:
        answers, go = WholeModelAnswers(wait_s=5.0), threading.Event()

        def fail() -> dict[str, Any]:
            raise ExplanationTooSlow("too slow")

        for _ in range(2):
            with pytest.raises(ExplanationTooSlow):
                await answers.get("bad", "surrogate_tree", fail)
        answers.wait_s = 0.01

        def wait() -> dict[str, Any]:
            go.wait(10)
            return {}

        for key in range(4):
            with pytest.raises(StillComputing):
                await answers.get(key, "surrogate_tree", wait)
        with pytest.raises(TooManyExplanations):
            await answers.get("one more", "surrogate_tree", wait)
        go.set()
        answers.close()

    asyncio.run(play())


def test_a_watch_ends_what_takes_too_long() -> None:
    Watch(timeout_s=60.0).check()
    with pytest.raises(ExplanationTooSlow, match="within 0 s"):
        Watch(timeout_s=0.0, began=0.0).check()
