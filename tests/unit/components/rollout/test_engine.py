"""The engine's course on a simulated clock: success, rollback, waiting, crashes; and that a replay decides the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from components.errors import ArthaflowError, ConfigurationError, DataRejected, ModelUnavailable
from components.rollout.engine import RolloutResult, run_rollout
from components.rollout.history import History, read_history, replay
from components.rollout.metrics import RequestRow, WindowMetrics, summarise
from components.rollout.plan import RolloutPlan

PLAN = RolloutPlan(soak_s=4, interval_s=1, max_wait_s=12)


@dataclass
class Simulation:
    """A clock and a target in one: requests arrive while the engine sleeps, split by the weights."""

    behaviour: Callable[[float, np.random.Generator], tuple[int, float]] = lambda percent, rng: (
        200,
        rng.normal(1, 0.01),
    )
    rate: int = 200
    time: float = 1000.0
    stable_version: str = "1"
    canary_version: str = ""
    percent: int = 0
    model: str = "simulated"
    broken_deploy: bool = False
    rows: list[RequestRow] = field(default_factory=list)
    course: list[str] = field(default_factory=list)
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        for i in range(int(self.rate * seconds)):
            at = self.time + (i + 1) / self.rate
            if self.rng.random() * 100 < self.percent:
                status, value = self.behaviour(self.percent, self.rng)
                self.rows.append(RequestRow(at, "canary", self.canary_version, status, 5.0, value))
            else:
                self.rows.append(RequestRow(at, "stable", self.stable_version, 200, 5.0, self.rng.normal(1, 0.01)))
        self.time += seconds

    def deploy_canary(self, version: str, artifact: str) -> None:
        if self.broken_deploy:
            raise ModelUnavailable("predictor exited with 1 before it was ready.", "See its log.")
        self.canary_version = version
        self.course.append(f"deploy {version}")

    def set_canary_weight(self, percent: int) -> None:
        self.percent = percent
        self.course.append(str(percent))

    def window(self, version: str, since: float, until: float) -> WindowMetrics:
        return summarise([r for r in self.rows if since < r.time <= until], version)

    def promote(self, announce: Callable[[], None]) -> None:
        announce()
        self.stable_version, self.canary_version, self.percent = self.canary_version, "", 0
        self.course.append("promote")

    def rollback(self) -> None:
        self.canary_version, self.percent = "", 0
        self.course.append("rollback")


def roll(simulation: Simulation, folder: Path, plan: RolloutPlan = PLAN, **more: object) -> RolloutResult:
    history = History(folder / "history.jsonl")
    return run_rollout(
        simulation,
        plan,
        version="2",
        artifact="/a/2",
        history=history,
        clock=simulation,
        **more,  # type: ignore[arg-type]
    )


def test_a_good_version_goes_all_the_way(tmp_path: Path) -> None:
    simulation, promoted = Simulation(), []
    result = roll(simulation, tmp_path, on_promote=promoted.append)
    assert result.outcome == "promoted"
    assert simulation.course == ["deploy 2", "10", "50", "100", "promote"]
    assert promoted == ["2"]
    assert result.stable_version == "2"
    assert [e["event"] for e in result.events if e["event"] != "judged"] == [
        "started", "deployed", "step", "step", "step", "promoted",
    ]  # fmt: skip


def test_a_bad_distribution_is_rolled_back_with_the_reason(tmp_path: Path) -> None:
    simulation = Simulation(lambda percent, rng: (200, 1.5 * rng.normal(1, 0.01)))
    result = roll(simulation, tmp_path, on_promote=lambda version: pytest.fail("promoted"))
    assert result.outcome == "rolled_back"
    assert simulation.course == ["deploy 2", "10", "rollback"]
    assert "100% of the predictions moved against version 1" in result.reason
    assert result.stable_version == "1"


def test_errors_roll_back_at_once_in_the_middle_of_a_soak(tmp_path: Path) -> None:
    simulation = Simulation(lambda percent, rng: (500 if rng.random() < 0.5 else 200, rng.normal(1, 0.01)))
    result = roll(simulation, tmp_path, RolloutPlan(soak_s=600, interval_s=1, max_wait_s=900))
    assert result.outcome == "rolled_back"
    assert simulation.time < 1010
    assert "requests failed" in result.reason


def test_a_version_that_breaks_under_load_is_rolled_back_later(tmp_path: Path) -> None:
    simulation = Simulation(lambda percent, rng: (503 if percent >= 50 else 200, rng.normal(1, 0.01)))
    result = roll(simulation, tmp_path)
    assert (result.outcome, result.step) == ("rolled_back", 50)
    assert simulation.course == ["deploy 2", "10", "50", "rollback"]


def test_the_last_step_is_compared_with_the_earlier_ones(tmp_path: Path) -> None:
    simulation = Simulation(lambda percent, rng: (200, rng.normal(1.5 if percent == 100 else 1, 0.01)))
    result = roll(simulation, tmp_path)
    assert (result.outcome, result.step) == ("rolled_back", 100)


@pytest.mark.parametrize(
    ("choice", "outcome", "last"), [("rollback", "rolled_back", "rollback"), ("hold", "held", "10")]
)
def test_too_little_traffic_waits_and_then_gives_up(tmp_path: Path, choice: str, outcome: str, last: str) -> None:
    simulation = Simulation(rate=20)
    plan = RolloutPlan(soak_s=4, interval_s=1, max_wait_s=12, on_inconclusive=choice)  # type: ignore[arg-type]
    result = roll(simulation, tmp_path, plan)
    assert result.outcome == outcome
    assert simulation.course[-1] == last
    assert simulation.time == 1012
    assert "requests needed for the error rate have come" in result.reason
    actions = [e["action"] for e in result.events if e["event"] == "judged"]
    assert actions == ["wait"] * 11 + [choice]


def test_waiting_longer_than_the_soak_ends_when_the_sample_suffices(tmp_path: Path) -> None:
    result = roll(Simulation(rate=80), tmp_path, RolloutPlan(soak_s=2, interval_s=2, max_wait_s=60))
    assert result.outcome == "promoted"
    assert sum(e["event"] == "judged" for e in result.events if e.get("step") == 10) > 3


def test_a_canary_that_does_not_start_changes_nothing(tmp_path: Path) -> None:
    simulation = Simulation(broken_deploy=True)
    result = roll(simulation, tmp_path)
    assert result.outcome == "rolled_back"
    assert simulation.course == ["rollback"]
    assert "exited with 1" in result.reason


def test_a_registry_that_refuses_the_alias_rolls_back(tmp_path: Path) -> None:
    def refuse(version: str) -> None:
        raise ArthaflowError("The registry is read-only.")

    simulation = Simulation()
    result = roll(simulation, tmp_path, on_promote=refuse)
    assert (result.outcome, simulation.stable_version) == ("rolled_back", "1")


def test_a_crashed_engine_leaves_the_weights_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    def crash(event: dict[str, object]) -> None:
        if event.get("step") == 50:
            raise KeyboardInterrupt

    simulation = Simulation()
    with pytest.raises(KeyboardInterrupt):
        roll(simulation, tmp_path, on_event=crash)
    assert (simulation.percent, simulation.canary_version, simulation.stable_version) == (50, "2", "1")
    result = roll(simulation, tmp_path)
    assert result.outcome == "promoted"
    assert simulation.course[3:5] == ["rollback", "deploy 2"]
    assert result.events[0]["event"] == "recovered"


def test_the_serving_version_is_not_rolled_out_again(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Version 2 of simulated serves already"):
        roll(Simulation(stable_version="2"), tmp_path)


@pytest.mark.parametrize("shift", [1.0, 1.5])
def test_a_replay_judges_and_decides_the_same(tmp_path: Path, shift: float) -> None:
    roll(Simulation(lambda percent, rng: (200, shift * rng.normal(1, 0.01))), tmp_path)
    again = replay(tmp_path / "history.jsonl")
    assert again
    assert all(r.identical for r in again)
    assert again[-1].recomputed_action == ("advance" if shift == 1.0 else "rollback")


def test_a_replay_notices_a_changed_record(tmp_path: Path) -> None:
    roll(Simulation(), tmp_path)
    path = tmp_path / "history.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    for event in events:
        if event["event"] == "judged":
            event["canary"]["errors"] = event["canary"]["requests"]
    path.write_text("".join(json.dumps(e) + "\n" for e in events))
    assert not any(r.identical for r in replay(path))


def test_a_history_that_a_crash_cut_short_is_read_up_to_there(tmp_path: Path) -> None:
    roll(Simulation(), tmp_path)
    path = tmp_path / "history.jsonl"
    whole = read_history(path)
    path.write_text(path.read_text()[:-20])
    assert read_history(path) == whole[:-1]
    path.write_text("{broken\n" + path.read_text())
    with pytest.raises(DataRejected, match="line 1 is no JSON"):
        read_history(path)
