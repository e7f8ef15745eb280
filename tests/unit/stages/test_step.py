"""What a step reports in its log, and which errors it turns into one clear message."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from components.errors import DataRejected
from components.stages.learning import decision_card, gate, numbers
from components.stages.request import Request
from components.stages.step import MARK, step
from tests.support.tiny import test_rooms


class DataRejectedByName(DataRejected):
    """A subclass that is made from other things than a message."""

    def __init__(self, what: str, number: int) -> None:
        super().__init__(f"{number} {what} are broken.", "Repair them.")


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line.removeprefix(MARK)) for line in text.splitlines() if line.startswith(MARK)]


def test_a_step_reports_its_start_and_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with step("train", "xgboost"):
        pass
    start, end = events(capsys.readouterr().out)
    assert (start["event"], start["step"], start["label"]) == ("start", "train", "xgboost")
    assert end["event"] == "end"
    assert end["seconds"] >= 0


@pytest.mark.parametrize(
    ("error", "kind", "problem"),
    [
        (DataRejected("rows 3 and 4 have no close.", "Repair them."), "DataRejected", "rows 3 and 4"),
        (DataRejectedByName("rows", 3), "DataRejected", "3 rows"),
        (OSError(28, "No space left on device", "/x"), "OutOfSpace", "/x"),
        (sqlite3.OperationalError("database or disk is full"), "OutOfSpace", "disk is full"),
    ],
)
def test_an_error_for_people_ends_the_process_with_its_message(
    error: Exception, kind: str, problem: str, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("ARTHAFLOW_RUN_DIR", str(tmp_path))
    with pytest.raises(SystemExit, match="1"), step("validate"):
        raise error
    told = events(capsys.readouterr().out)[-1]
    assert (told["event"], told["kind"]) == ("error", kind)
    assert problem in told["problem"]
    assert told["remedy"]
    assert json.loads((tmp_path / "problem.json").read_text())["step"] == "validate"


@pytest.mark.parametrize("error", [KeyError("close"), FileNotFoundError(2, "No such file", "/x")])
def test_a_fault_of_the_code_keeps_its_traceback(error: Exception) -> None:
    with pytest.raises(type(error)), step("validate"):
        raise error


def test_numbers_are_the_finite_leaves_by_path() -> None:
    tree = {"a": 1, "b": {"c": 2.5, "d": float("nan"), "e": "text"}, "f": True, "g": [1, 2]}
    assert numbers(tree) == {"a": 1.0, "b.c": 2.5}


EVALUATION: dict[str, Any] = {
    "gate": {
        "metric": "interval_score", "baseline": "random_walk", "all_finite": True, "ratio": 1.3, "rmse_ratio": 1.5,
        "alpha": 0.05, "test": {"p_value": 0.9, "verdict": "not better"}, "coverage": None, "coverage_horizon": "1_day",
        "point_test": {"p_value": 0.9}, "other_baselines": {},
    },
    "production": {"compared": False, "reason": "no version is in production yet"},
}  # fmt: skip


def test_force_registers_what_the_gate_refuses_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "evaluation").write_text(json.dumps(EVALUATION))
    with test_rooms():
        refused = gate(Request("tiny"), tmp_path / "evaluation", "gate", tmp_path / "decision")
        forced = gate(Request("tiny"), tmp_path / "evaluation", "force", tmp_path / "decision")
    assert (refused["promote"], refused["forced"]) == (False, False)
    assert (forced["promote"], forced["forced"]) == (True, True)
    assert forced["reason"] == f"Registered by force for a drill, although: {refused['reason']}"
    assert json.loads((tmp_path / "decision").read_text()) == forced
    assert "| baseline | no |" in decision_card(forced)
