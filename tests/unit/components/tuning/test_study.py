"""The Optuna study: seeded, resumed after a kill as if nothing had happened, patient with a few failures."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from components.errors import ConfigurationError
from components.tuning.objective import Score
from components.tuning.result import Trial
from components.tuning.space import Parameter, Space
from components.tuning.study import run_study, study_path

SPACE = Space(
    "m",
    (
        Parameter("x", "float", 1.0, 0.01, 100.0, log=True),
        Parameter("n", "int", 3, 1, 9),
        Parameter("kind", "choice", "a", choices=("a", "b", True)),
    ),
)


def bowl(params: Mapping[str, Any]) -> Score:
    value = (params["x"] - 2.0) ** 2 + abs(params["n"] - 5) + (params["kind"] != "b")
    return Score(value, (value, value + 1))


def seen(trials: tuple[Trial, ...]) -> list[tuple[int, dict[str, Any], float | None]]:
    return [(t.number, dict(t.params), t.score) for t in trials]


def test_the_default_comes_first_and_all_is_typed(tmp_path: Path) -> None:
    told = run_study(bowl, SPACE, tmp_path / "s.db", 8)
    assert [t.number for t in told] == list(range(9))
    assert told[0].params == SPACE.defaults
    assert all(SPACE.parse(t.params) == t.params for t in told)
    assert all(type(t.params["n"]) is int for t in told)
    assert min(t.score for t in told if t.score is not None) < (told[0].score or 0)


def test_the_same_seed_searches_the_same(tmp_path: Path) -> None:
    one, two, other = (run_study(bowl, SPACE, tmp_path / f"{i}.db", 8, seed=s) for i, s in enumerate((7, 7, 8)))
    assert seen(one) == seen(two)
    assert seen(one) != seen(other)


def die_at(number: int, path: Path) -> None:
    count = 0

    def objective(params: Mapping[str, Any]) -> Score:
        nonlocal count
        count += 1
        if count > number:
            os._exit(137)  # as a kill leaves it: nothing is told, nothing cleaned up
        return bowl(params)

    run_study(objective, SPACE, path, 9)


@pytest.mark.parametrize("number", [1, 4, 8])
def test_a_killed_study_goes_on_as_if_nothing_had_happened(tmp_path: Path, number: int) -> None:
    whole = run_study(bowl, SPACE, tmp_path / "whole.db", 9)
    process = multiprocessing.get_context("fork").Process(target=die_at, args=(number, tmp_path / "killed.db"))
    process.start()
    process.join()
    assert process.exitcode == 137
    news: list[str] = []
    resumed = run_study(bowl, SPACE, tmp_path / "killed.db", 9, listen=lambda trial, how="new": news.append(how))
    assert seen(resumed) == seen(whole)
    assert news == ["kept"] * number + ["new"] * (10 - number)


def test_more_trials_go_on_from_those_that_are_there(tmp_path: Path) -> None:
    first = run_study(bowl, SPACE, tmp_path / "s.db", 4)
    calls: list[Mapping[str, Any]] = []
    more = run_study(lambda p: calls.append(p) or bowl(p), SPACE, tmp_path / "s.db", 6)  # type: ignore[func-returns-value]
    assert seen(more)[:5] == seen(first)
    assert len(calls) == 2


def test_a_few_failures_do_not_end_it_and_many_do(tmp_path: Path) -> None:
    def picky(params: Mapping[str, Any]) -> Score:
        if params["n"] == 9:
            raise ValueError("singular matrix")
        return bowl(params)

    def hopeless(params: Mapping[str, Any]) -> Score:
        if params != SPACE.defaults:
            raise ArithmeticError("overflow")
        return bowl(params)

    told = run_study(picky, SPACE, tmp_path / "a.db", 30)
    failed = [t for t in told if t.score is None]
    assert failed
    assert "singular matrix" in failed[0].problem
    with pytest.raises(ConfigurationError, match=r"4 of 5 trials failed.*overflow"):
        run_study(hopeless, SPACE, tmp_path / "b.db", 8)


def test_a_default_that_cannot_be_scored_ends_it_at_once(tmp_path: Path) -> None:
    def broken(params: Mapping[str, Any]) -> Score:
        raise ConfigurationError("No rows.", "Bring some.")

    for trials in (0, 5):
        with pytest.raises(ConfigurationError, match=r"default hyper-parameters cannot be scored: .*No rows"):
            run_study(broken, SPACE, tmp_path / f"{trials}.db", trials)


def test_no_trials_score_the_default_alone_without_a_database(tmp_path: Path) -> None:
    (told,) = run_study(bowl, SPACE, tmp_path / "s.db", 0)
    assert (told.number, told.params) == (0, SPACE.defaults)
    assert not list(tmp_path.iterdir())


def test_a_time_limit_lets_one_trial_through(tmp_path: Path) -> None:
    assert len(run_study(bowl, SPACE, tmp_path / "s.db", 50, timeout_s=1e-9)) == 2


def test_two_at_once_are_told_apart(tmp_path: Path) -> None:
    def nested(params: Mapping[str, Any]) -> Score:
        run_study(bowl, SPACE, tmp_path / "s.db", 1)
        return bowl(params)

    with pytest.raises(ConfigurationError, match="Another process runs the same study"):
        run_study(nested, SPACE, tmp_path / "s.db", 1)


def test_another_data_set_is_another_study(tmp_path: Path) -> None:
    paths = {study_path(tmp_path, {"model": "m", "data": d, "space": SPACE.to_dict()}) for d in ("a", "b", "a")}
    assert len(paths) == 2


def test_a_negative_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="trials=-1"):
        run_study(bowl, SPACE, tmp_path / "s.db", -1)


def test_other_code_is_another_study_and_the_same_code_is_not() -> None:
    from dataclasses import replace

    from components.catalog import get_spec
    from components.tuning.code import source_hash

    tiny = get_spec("tiny")
    assert source_hash(tiny) == source_hash(tiny)
    assert source_hash(tiny) != source_hash(replace(tiny, package=get_spec("mixed").package))
