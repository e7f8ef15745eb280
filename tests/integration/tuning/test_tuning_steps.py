"""The steps of the tuning graph on Katib: real S3 (moto), the real trial command, a fake controller that runs it."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.catalog import get_spec
from components.errors import ConfigurationError
from components.evaluation.splits import Folds, walk_forward
from components.registry.lineage import Lineage
from components.settings import settings
from components.stages import tuning
from components.stages.request import Request
from components.tuning.katib import experiment_name
from components.tuning.result import Search
from components.tuning.trial import main as run_trial
from tests.integration.tuning.fake_katib import FakeKatib, fake_katib
from tests.support.s3 import s3_server
from tests.support.tiny import test_rooms

REQUEST, RUN = Request("tiny", ("1_day", "5_day")), "run-1"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def katib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeKatib]:
    with fake_katib() as server:
        kubeconfig = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": server.url}}],
            "users": [{"name": "test", "user": {}}],
        }
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
        # The library reads the variable when it is imported.
        for module in ("kubernetes.config", "kubernetes.config.kube_config"):
            monkeypatch.setattr(f"{module}.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "kubeconfig"))
        server.scores = lambda drawn: as_a_pod(next(iter(server.experiments.values())), drawn)
        yield server


@pytest.fixture
def home(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from minio import Minio

    client = Minio(s3.removeprefix("http://"), "test-access", "test-secret", secure=False, region="us-east-1")
    if not client.bucket_exists("models"):
        client.make_bucket("models")
    for name, value in {
        "ARTHAFLOW_HOME": str(tmp_path / "home"),
        "ARTHAFLOW_ARTIFACT_STORE": "s3://models/room",
        "ARTHAFLOW_S3_ENDPOINT": s3,
        "AWS_ACCESS_KEY_ID": "test-access",
        "AWS_SECRET_ACCESS_KEY": "test-secret",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ARTHAFLOW_RUN_ID", raising=False)
    settings.cache_clear()
    with test_rooms():
        yield tmp_path
    settings.cache_clear()


def as_a_pod(experiment: dict[str, Any], drawn: dict[str, str]) -> dict[str, float] | None:
    """Run the Job's own command, with Katib's placeholders replaced, and read its lines as the collector does."""
    (container,) = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]["containers"]
    command = " ".join(container["command"])
    for name, value in drawn.items():
        command = command.replace(f"${{trialParameters.{name}}}", value)
    words = command.split(" ")
    assert words[:3] == ["python", "-m", "components.tuning.trial"]
    printed = io.StringIO()
    with redirect_stdout(printed):
        status = run_trial(words[3:])
    assert status == 0
    wanted = experiment["spec"]["objective"]
    names = {wanted["objectiveMetricName"], *wanted["additionalMetricNames"]}
    pairs = (line.split("=") for line in printed.getvalue().splitlines())
    return {name: float(value) for name, value in pairs if name in names}


@pytest.fixture
def split(home: Path) -> dict[str, Path]:
    """What the split step leaves behind."""
    from components.models.lab.tiny.data import make_dataset

    data = make_dataset()
    paths = {name: home / name for name in ("dataset", "folds", "lineage", "inputs", "start", "found")}
    data.write(paths["dataset"])
    walk_forward(data).write(paths["folds"])
    Lineage(RUN, "hash", "embedded", "1d", "", "", "", "7", "{}").write(paths["lineage"])
    return paths


def begin(split: dict[str, Path], engine: str, trials: int = 4) -> dict[str, float]:
    places = [split[name] for name in ("dataset", "folds", "lineage", "inputs", "start")]
    return tuning.search(REQUEST, engine, trials, 0, *places)


def tune(split: dict[str, Path], keep: bool = True, run: str = RUN) -> dict[str, float]:
    return tuning.tune("tiny", run, split["inputs"], split["start"], 4, 2, 7, 0, keep, split["found"], poll_s=0.01)


def conclude(split: dict[str, Path], home: Path) -> tuple[str, dict[str, Any]]:
    out = [home / name for name in ("kept", "tuned", "page", "told")]
    best = tuning.conclude(REQUEST, split["found"], split["folds"], split["lineage"], *out)
    return best, json.loads((home / "told").read_text())


def test_the_whole_way_on_katib(katib: FakeKatib, split: dict[str, Path], home: Path) -> None:
    begin(split, "katib")
    assert Search.read(split["start"]).trials == ()
    assert tune(split)["scored"] == 4
    found = Search.read(split["found"])
    assert found.notes["inputs"].startswith("s3://models/room/tuning/tiny/")
    assert list(katib.experiments) == [experiment_name("tiny", RUN)] == [found.notes["experiment"]]
    best, told = conclude(split, home)
    assert told["trials"] == 4
    winner = min((found.default, *found.scored), key=lambda t: t.score or 9.0)
    assert json.loads(best) == (winner.params if winner.number else {})
    assert found.notes["best_params"] == min(found.scored, key=lambda t: t.score or 9.0).params
    origin = Lineage.read(home / "tuned")
    assert json.loads(origin.tuning)["deflated_score"] == told["deflated_score"]
    assert json.loads(origin.params).items() >= json.loads(best).items()
    assert [f.number for f in Folds.read(home / "kept").folds] == [2]
    assert "<svg" in (home / "page").read_text()


def test_katib_and_optuna_score_alike(katib: FakeKatib, split: dict[str, Path], home: Path) -> None:
    """The trial's command in a pod and the study's objective in a process give one number for one assignment."""
    begin(split, "katib")
    tune(split)
    from components.tuning.inputs import read_inputs

    objective = read_inputs("tiny", str(split["inputs"])).objective(7)
    for trial in Search.read(split["found"]).scored:
        assert objective(trial.params).value == pytest.approx(trial.score, rel=1e-9)


def test_a_retry_takes_the_experiment_up_and_a_finished_one_can_be_deleted(
    katib: FakeKatib, split: dict[str, Path]
) -> None:
    begin(split, "katib")
    tune(split)
    first = split["found"].read_bytes()
    begin(split, "katib")
    tune(split, keep=False)
    assert json.loads(split["found"].read_text())["trials"] == json.loads(first)["trials"]
    assert katib.requests.count("POST /experiments") == 1
    assert katib.experiments == {}


def test_with_optuna_the_tune_step_passes_on_and_needs_no_cluster(split: dict[str, Path], home: Path) -> None:
    begin(split, "optuna")
    tune(split)
    found = Search.read(split["found"])
    assert len(found.trials) == 4
    assert Path(found.notes["study"]).is_relative_to(home / "home")
    assert conclude(split, home)[1]["engine"] == "optuna"
    begin(split, "optuna", trials=3)
    assert Search.read(split["start"]).trials == found.trials[:3]


def test_the_exit_step_deletes_what_a_failed_run_left(katib: FakeKatib, split: dict[str, Path]) -> None:
    begin(split, "katib")
    tune(split)
    assert tuning.clean_up("tiny", RUN, "SUCCEEDED", "katib") == ""
    assert tuning.clean_up("tiny", RUN, "COMPLETE", "katib") == "", "what Kubeflow calls success"
    assert tuning.clean_up("tiny", RUN, "RUNNING", "katib") == "", "untold, and the Experiment is over"
    assert tuning.clean_up("tiny", RUN, "FAILED", "optuna") == ""
    assert katib.experiments
    assert "is deleted" in tuning.clean_up("tiny", RUN, "FAILED", "katib")
    assert katib.experiments == {}


def test_a_store_that_pods_cannot_read_is_refused(
    katib: FakeKatib, split: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin(split, "katib")
    monkeypatch.delenv("ARTHAFLOW_ARTIFACT_STORE")
    settings.cache_clear()
    with pytest.raises(ConfigurationError, match=r"cannot read the artifact store .*artifacts"):
        tune(split)
    assert katib.requests == []


def test_where_steps_run_trials_run_too(
    katib: FakeKatib, split: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTHAFLOW_NODE_SELECTOR", "pool=training")
    monkeypatch.setenv("ARTHAFLOW_PULL_SECRET", "registry")
    begin(split, "katib")
    tune(split)
    (made,) = katib.experiments.values()
    pod = made["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"pool": "training"}
    assert pod["imagePullSecrets"] == [{"name": "registry"}]


def test_an_unknown_engine_is_refused(split: dict[str, Path]) -> None:
    with pytest.raises(ConfigurationError, match="engine='hyperopt'"):
        begin(split, "hyperopt")


def test_the_spec_is_the_one_that_was_asked_for(split: dict[str, Path]) -> None:
    assert REQUEST.spec() == get_spec("tiny")
