"""Launching an Experiment: created, taken up again, failed, timed out, cancelled, through an API server that stumbles."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from components.catalog import get_spec
from components.errors import ConfigurationError, ModelUnavailable
from components.tuning.experiments_api import ExperimentApi
from components.tuning.katib import Budget, build_experiment
from components.tuning.launch import Cancelled, Patience, TuningFailed, run_experiment
from components.tuning.objective import block_names, metric_name
from components.tuning.space import space_of
from components.tuning.status import Progress, read_best, read_trials
from tests.integration.tuning.fake_katib import FakeKatib, fake_katib

SPEC = get_spec("price_forecast")
SPACE, METRIC, BLOCKS = space_of(SPEC), metric_name(SPEC), block_names(8)
NAME = "price-forecast-1a2b"


@dataclass
class Clock:
    """Time that passes only when someone waits."""

    time: float = 0.0
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.slept.append(seconds)


@pytest.fixture
def katib() -> Iterator[FakeKatib]:
    with fake_katib() as server:
        server.scores = lambda drawn: scores(float(drawn["tree_rate"]))
        yield server


def scores(rate: float) -> dict[str, float]:
    return {METRIC: 0.9 + rate, **dict.fromkeys(BLOCKS, 0.9 + rate)}


def experiment(trials: int = 5) -> dict[str, Any]:
    return build_experiment(SPEC, SPACE, NAME, budget=Budget(trials))


def api(katib: FakeKatib, clock: Clock | None = None, outage_s: float = 60.0) -> ExperimentApi:
    return ExperimentApi(client=katib.client(), outage_s=outage_s, clock=clock or Clock())


def launch(katib: FakeKatib, trials: int = 5, **patience: float) -> dict[str, Any]:
    clock = Clock()
    return run_experiment(experiment(trials), api(katib, clock), Patience(**patience), clock=clock)


def test_it_is_created_waited_for_and_read(katib: FakeKatib) -> None:
    told: list[Progress] = []
    clock = Clock()
    done = run_experiment(experiment(), api(katib, clock), Patience(poll_s=10), told.append, clock)
    assert [p.done for p in told] == [1, 2, 3, 4, 5]
    assert str(told[-1]).startswith("5 of 5 trials done")
    trials = read_trials(api(katib).trials(NAME), SPACE, METRIC, BLOCKS)
    best = min(trials, key=lambda t: t.score or 9.0)
    assert read_best(done, SPACE)["best_params"] == best.params
    assert [t.number for t in trials] == [1, 2, 3, 4, 5]
    assert all(SPACE.parse(t.params) == t.params for t in trials)
    assert [t.seconds for t in trials] == [90.0] * 5
    assert best.score == pytest.approx(0.9 + best.params["tree_rate"])
    assert type(best.params["tree_depth"]) is int
    assert NAME in katib.experiments


def test_a_second_attempt_takes_it_up(katib: FakeKatib) -> None:
    class Killed(BaseException):
        pass

    def die(told: Progress) -> None:
        if told.done == 2:
            raise Killed

    with pytest.raises(Killed):
        run_experiment(experiment(), api(katib), listen=die, clock=Clock())
    before = [t["metadata"]["name"] for t in katib.trials[NAME]]
    launch(katib)
    assert [t["metadata"]["name"] for t in katib.trials[NAME]][:2] == before
    assert [r for r in katib.requests if r.startswith("POST")] == ["POST /experiments"]


def test_a_finished_one_is_read_at_once(katib: FakeKatib) -> None:
    first = launch(katib)
    assert launch(katib)["status"] == first["status"]
    assert len(katib.trials[NAME]) == 5


def test_another_spec_under_its_name_is_an_error(katib: FakeKatib) -> None:
    launch(katib)
    with pytest.raises(ConfigurationError, match=f"experiment {NAME} with another spec.*kubectl delete"):
        launch(katib, trials=6)
    assert NAME in katib.experiments


def test_a_create_whose_answer_is_lost_is_found_again(katib: FakeKatib) -> None:
    """The server made the object, then timed out: the next try gets 409, and the object is ours."""
    katib.lose_create_answer = True
    assert launch(katib)["status"]["currentOptimalTrial"]
    assert katib.requests.count("POST /experiments") == 2


def test_one_that_is_being_deleted_is_waited_for(katib: FakeKatib) -> None:
    old = experiment()
    old["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    katib.experiments[NAME], katib.looks_until_gone = old, 3
    launch(katib)
    assert "deletionTimestamp" not in katib.experiments[NAME]["metadata"]


def test_a_failed_experiment_is_told_in_katibs_words(katib: FakeKatib) -> None:
    katib.scores = lambda drawn: None
    with pytest.raises(TuningFailed, match=r"ExperimentMaxFailedTrialsReached.*max failed count") as caught:
        launch(katib)
    assert "kubectl describe" in caught.value.remedy


def test_trials_without_metrics_are_told_with_the_usual_cause(katib: FakeKatib) -> None:
    katib.scores = lambda drawn: None
    with pytest.raises(TuningFailed, match="none of its trials has a metric") as caught:
        launch(katib, trials=3)  # three failures are allowed, so Katib calls it a success
    assert "metrics-collector-injection" in caught.value.remedy


def test_trials_that_fail_among_others_are_read_as_failed(katib: FakeKatib) -> None:
    katib.scores = lambda drawn: scores(float(drawn["tree_rate"])) if int(drawn["tree_depth"]) > 3 else None
    launch(katib, trials=8)
    trials = read_trials(api(katib).trials(NAME), SPACE, METRIC, BLOCKS)
    failed = [t for t in trials if t.score is None]
    assert 0 < len(failed) < 8
    assert all(t.params["tree_depth"] <= 3 for t in failed)
    assert "MetricsUnavailable" in failed[0].problem


def test_a_time_out_deletes_it(katib: FakeKatib) -> None:
    katib.stuck = True
    with pytest.raises(TuningFailed, match="not done after 60 s"):
        launch(katib, timeout_s=60, poll_s=10)
    assert katib.experiments == {}


def test_sigterm_deletes_it_and_restores_the_handler(katib: FakeKatib) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def cancel(number: int) -> None:
        if number == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    katib.on_look = cancel
    with pytest.raises(Cancelled, match="told to stop"):
        launch(katib, trials=50)
    assert katib.experiments == {}
    assert signal.getsignal(signal.SIGTERM) is before


def test_one_that_someone_deletes_is_an_error(katib: FakeKatib) -> None:
    katib.on_look = lambda number: katib.experiments.clear() if number == 4 else None
    with pytest.raises(TuningFailed, match="was deleted while it ran"):
        launch(katib, trials=50)


@pytest.mark.parametrize("stumbles", [[503, 500, 429], [0, 0], [504] * 6])
def test_a_server_that_stumbles_is_asked_again(katib: FakeKatib, stumbles: list[int]) -> None:
    def stumble(number: int) -> None:
        if number == 3:
            katib.stumbles = list(stumbles)

    katib.on_look = stumble
    assert launch(katib)["status"]["currentOptimalTrial"]


def test_a_long_outage_leaves_the_experiment_alone(katib: FakeKatib) -> None:
    launch(katib, trials=2)
    katib.stumbles = [503] * 1000
    with pytest.raises(ModelUnavailable, match=r"not answered for 60 s \(503 the server is overloaded\)"):
        launch(katib, trials=2)
    assert NAME in katib.experiments


def test_a_server_that_is_gone(katib: FakeKatib) -> None:
    client = katib.client()
    client.configuration.host = "http://127.0.0.1:9"
    with pytest.raises(ModelUnavailable, match="could not be read"):
        ExperimentApi(client=client, outage_s=1.0, clock=Clock()).get(NAME)


def test_the_webhooks_refusal_is_told_in_its_words(katib: FakeKatib) -> None:
    katib.refuse_create = (403, 'admission webhook "validator.experiment.katib" denied the request: bad')
    with pytest.raises(ConfigurationError, match="denied the request: bad"):
        launch(katib)


def test_missing_rights_name_what_to_allow(katib: FakeKatib) -> None:
    katib.refuse_create = (403, 'experiments.kubeflow.org is forbidden: User "x" cannot create resource')
    with pytest.raises(ConfigurationError, match="cannot create") as caught:
        launch(katib)
    assert "create, get, list and delete of experiments.kubeflow.org" in caught.value.remedy


def test_a_cluster_without_katib(katib: FakeKatib) -> None:
    katib.known = False
    with pytest.raises(ConfigurationError, match=r"does not know Experiments.*Install Katib"):
        launch(katib)


def test_deleting_what_is_gone_is_no_error(katib: FakeKatib) -> None:
    api(katib).delete("nothing")
    assert katib.requests == ["DELETE /experiments/nothing"]
