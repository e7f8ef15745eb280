"""Submitting through Kubeflow's own client to a server that speaks its API, and as a person does: by the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from components.catalog import get_spec
from components.errors import ArthaflowError, ConfigurationError, UnknownModel
from pipelines.cli import app
from pipelines.cluster_options import ClusterOptions
from pipelines.compile import BUILDERS, can_build
from pipelines.submit import submit
from pipelines.watch import ClusterRunFailed, wait
from tests.integration.pipelines.fake_kubeflow import API, FakeKubeflow, fake_kubeflow

pytestmark = pytest.mark.slow  # each submission compiles a graph


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeKubeflow]:
    for name in ("ARTHAFLOW_KFP_HOST", "ARTHAFLOW_KFP_TOKEN", "ARTHAFLOW_KFP_NAMESPACE", "KF_PIPELINES_SA_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kfp.Client._LOCAL_KFP_CONTEXT", str(tmp_path / "context.json"))
    with fake_kubeflow() as served:
        yield served


def command(cluster: FakeKubeflow, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["submit", "tiny", "--host", cluster.url, *arguments])


def test_a_run_has_the_uploaded_graph_and_its_arguments(cluster: FakeKubeflow) -> None:
    answer = submit("tiny", cluster.url, arguments={"until": "2016-12-30", "params": {"alpha": 2.0}})
    run, version = cluster.one("runs"), cluster.one("versions")
    assert (answer.kind, answer.id, answer.existed) == ("run", run["run_id"], False)
    assert answer.url == f"{cluster.url}/#/runs/details/{answer.id}"
    assert run["pipeline_version_reference"] == {"pipeline_id": answer.pipeline, "pipeline_version_id": answer.version}
    assert run["experiment_id"] == cluster.one("experiments")["experiment_id"]
    assert run["display_name"] == "train tiny"
    given = run["runtime_config"]["parameters"]
    assert given["until"] == "2016-12-30"
    assert json.loads(given["params"]) == {"alpha": 2.0}
    assert cluster.one("pipelines")["display_name"] == "train-tiny"
    assert version["pipeline_spec"]["pipeline_spec"]["pipelineInfo"]["name"] == "train-tiny"
    assert "kubernetes" in version["pipeline_spec"]["platform_spec"]["platforms"]


def test_the_same_graph_is_uploaded_once_and_a_changed_one_is_a_new_version(cluster: FakeKubeflow) -> None:
    first, second = submit("tiny", cluster.url), submit("tiny", cluster.url)
    assert (first.pipeline, first.version) == (second.pipeline, second.version)
    assert len(cluster.all("runs")) == 2
    placed = submit("tiny", cluster.url, options=ClusterOptions(node_selector={"pool": "ml"}))
    assert placed.pipeline == first.pipeline
    assert placed.version != first.version
    names = [v["display_name"] for v in cluster.all("versions")]
    assert len(set(names)) == 2
    assert all(name.startswith("0.1.0-") for name in names)


def test_many_versions_come_in_pages_and_the_right_one_is_found(cluster: FakeKubeflow) -> None:
    from pipelines.kubeflow import connect
    from pipelines.listing import PAGE, everything

    known = submit("tiny", cluster.url)
    kept = cluster.one("versions")
    for n in range(2 * PAGE):
        cluster.kept["versions"][f"old-{n}"] = {**kept, "pipeline_version_id": f"old-{n}", "display_name": f"old {n}"}
    assert submit("tiny", cluster.url).version == known.version
    with connect(cluster.url) as connection:
        found = list(everything(connection.client.list_pipeline_versions, pipeline_id=known.pipeline))
    assert len({v.pipeline_version_id for v in found}) == 2 * PAGE + 1


def test_where_the_steps_run_reaches_the_cluster(cluster: FakeKubeflow) -> None:
    result = command(
        cluster, "--node-selector", "pool=ml", "--toleration", "dedicated=ml:NoSchedule", "--pull-secret", "registry",
        "--accelerator", "nvidia.com/mig-1g.10gb", "--accelerator-selector", "gpu=yes", "--no-cache",
        "--pipeline-root", "s3://runs/here", "--service-account", "trainer",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    run, graph = cluster.one("runs"), cluster.one("versions")["pipeline_spec"]
    assert run["runtime_config"]["pipeline_root"] == "s3://runs/here"
    assert run["service_account"] == "trainer"
    placed = graph["platform_spec"]["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    assert {e["nodeSelector"]["labels"]["pool"] for e in placed.values()} == {"ml"}
    assert {name for name, e in placed.items() if e["nodeSelector"]["labels"].get("gpu")} == {
        "exec-train-candidate",
        "exec-evaluate",
    }
    assert all(t for e in placed.values() for t in e["tolerations"] if t["key"] == "dedicated")
    tasks = [
        t for c in graph["pipeline_spec"]["components"].values() for t in c.get("dag", {}).get("tasks", {}).values()
    ]
    assert not any(t.get("cachingOptions", {}).get("enableCache") for t in tasks)


def test_a_schedule_neither_catches_up_nor_overlaps(cluster: FakeKubeflow) -> None:
    answer = submit("tiny", cluster.url, cron="0 0 2 * * *")
    job = cluster.one("recurringruns")
    assert str(answer) == f"recurring run {answer.id}: {cluster.url}/#/recurringrun/details/{answer.id}"
    assert (job["no_catchup"], job["max_concurrency"], job["mode"]) == (True, "1", "ENABLE")
    assert job["trigger"] == {"cron_schedule": {"cron": "0 0 2 * * *"}}
    # The version is pinned: with a pipeline's id alone, whatever is the default by then would run.
    assert job["pipeline_version_reference"]["pipeline_version_id"] == cluster.one("versions")["pipeline_version_id"]


def test_a_schedule_takes_the_place_of_the_one_of_its_name(cluster: FakeKubeflow) -> None:
    first = submit("tiny", cluster.url, cron="0 0 2 * * *")
    same = submit("tiny", cluster.url, cron="0 0 2 * * *")
    assert (same.id, same.existed, same.replaced) == (first.id, True, ())
    other = submit("tiny", cluster.url, cron="0 0 3 * * *")
    assert other.replaced == (first.id,)
    assert cluster.one("recurringruns")["recurring_run_id"] == other.id
    changed = submit("tiny", cluster.url, cron="0 0 3 * * *", arguments={"until": "2016-12-30"})
    assert changed.replaced == (other.id,)
    # Somebody stopped it by hand; asking for it again starts it again.
    cluster.one("recurringruns").update(mode="DISABLE")
    assert submit("tiny", cluster.url, cron="0 0 3 * * *", arguments={"until": "2016-12-30"}).replaced == (changed.id,)
    verbs = [(verb, path.partition("?")[0]) for verb, path, _ in cluster.asked if "recurringruns" in path]
    made, removed = (
        verbs.index(("POST", f"{API}/recurringruns")),
        verbs.index(("DELETE", f"{API}/recurringruns/{first.id}")),
    )
    assert verbs[made + 1 : removed].count(("POST", f"{API}/recurringruns")) == 1, (
        "the new one first, then the old one goes"
    )


def test_schedules_of_other_experiments_and_names_stay(cluster: FakeKubeflow) -> None:
    submit("tiny", cluster.url, cron="0 0 2 * * *", experiment="other")
    submit("tiny", cluster.url, cron="0 0 2 * * *", run_name="train tiny by hand")
    submit("tiny", cluster.url, cron="0 0 4 * * *")
    assert len(cluster.all("recurringruns")) == 3


def test_the_specs_own_schedule_in_kubeflows_form(cluster: FakeKubeflow) -> None:
    result = command(cluster, "--cron", "spec", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["kind"] == "recurring run"
    assert cluster.one("recurringruns")["trigger"]["cron_schedule"]["cron"] == "0 0 2 * * 0"


def test_waiting_shows_each_step_and_ends_well(cluster: FakeKubeflow) -> None:
    cluster.stumbles = 2
    result = command(cluster, "--wait", "--poll", "0.001")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert "running    ingest" in lines
    assert "succeeded  finish" in lines
    assert lines[-1] == "Succeeded."
    assert not any("driver" in line or "root" in line for line in lines[1:])


def test_a_failed_run_names_the_step_and_its_reason(cluster: FakeKubeflow) -> None:
    cluster.fail_in, cluster.reason = "features", "The disk filled up."
    result = command(cluster, "--wait", "--poll", "0.001")
    assert result.exit_code != 0
    assert isinstance(result.exception, ClusterRunFailed)
    number = cluster.one("runs")["run_id"]
    assert f"Run {number} failed in features: The disk filled up." in str(result.exception)
    assert f"kubectl logs {number}-features" in str(result.exception)
    assert "failed     features" in result.output


def test_a_cancelled_run_is_no_success(cluster: FakeKubeflow) -> None:
    answer = submit("tiny", cluster.url)
    cluster.one("runs")["state"] = "CANCELED"
    with pytest.raises(ClusterRunFailed, match=r"was cancelled.*runs/details"):
        wait(cluster.url, answer.id, poll_s=0.001)


def test_a_wait_that_is_too_long_ends_and_the_run_goes_on(cluster: FakeKubeflow) -> None:
    cluster.busy = True
    answer = submit("tiny", cluster.url)
    with pytest.raises(ClusterRunFailed, match="It goes on"):
        wait(cluster.url, answer.id, poll_s=0.001, timeout_s=0.01)


def test_an_api_that_stays_away_ends_the_wait(cluster: FakeKubeflow) -> None:
    answer = submit("tiny", cluster.url)
    cluster.stumbles = 100
    with pytest.raises(ConfigurationError, match="answered 503"):
        wait(cluster.url, answer.id, poll_s=0.001)
    cluster.stumbles = 0
    with pytest.raises(ConfigurationError, match="answered 404"):
        wait(cluster.url, "unknown", poll_s=0.001)


def test_once_asks_only_once_for_a_run_of_a_name(cluster: FakeKubeflow) -> None:
    first = submit("tiny", cluster.url, run_name="train tiny for drift-1", once=True)
    again = submit("tiny", cluster.url, run_name="train tiny for drift-1", once=True)
    assert (again.id, again.existed) == (first.id, True)
    assert submit("tiny", cluster.url, run_name="train tiny for drift-2", once=True).id != first.id


def test_a_token_from_the_environment_or_from_the_pods_volume(
    cluster: FakeKubeflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cluster.token = "of-the-environment"
    with pytest.raises(ConfigurationError, match=r"answered 401.*ARTHAFLOW_KFP_TOKEN"):
        submit("tiny", cluster.url)
    monkeypatch.setenv("ARTHAFLOW_KFP_TOKEN", "of-the-environment")
    submit("tiny", cluster.url)
    monkeypatch.delenv("ARTHAFLOW_KFP_TOKEN")
    cluster.token = "of-the-volume"
    (tmp_path / "token").write_text("of-the-volume\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(tmp_path / "token"))
    submit("tiny", cluster.url)
    assert len(cluster.all("runs")) == 2


def test_several_users_need_a_profile(cluster: FakeKubeflow) -> None:
    cluster.multi_user, cluster.namespaces = True, {"quants"}
    with pytest.raises(ConfigurationError, match="Name your profile"):
        submit("tiny", cluster.url)
    with pytest.raises(ConfigurationError, match=r"answered 403: .*'strangers'.*--namespace"):
        submit("tiny", cluster.url, namespace="strangers")
    submit("tiny", cluster.url, namespace="quants")
    assert cluster.one("experiments")["namespace"] == "quants"
    assert cluster.one("pipelines")["namespace"] == "quants"


def test_one_user_may_name_a_namespace_that_is_not_sent(cluster: FakeKubeflow) -> None:
    submit("tiny", cluster.url, namespace="kubeflow")
    submit("tiny", cluster.url, namespace="mine")
    assert not cluster.one("experiments").get("namespace")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--param", "untill=2016"], r"no argument 'untill'. Did you mean 'until'\?"),
        (["--param", "until"], "'until' has no value"),
        (["--param", "seed=seven"], "seed takes a whole number"),
        (["--param", "horizons={}"], "horizons takes a JSON list"),
        (["--param", "params={"], "are not JSON"),
        (["--param", 'params={"alfa": 1}'], "no hyper-parameter 'alfa'"),
        (["--param", "policy=maybe"], "policy='maybe'"),
        (["--param", "model=other"], "model='other'"),
        (["--param", "until=" + "x" * 10_001], "10,001 characters"),
        (["--cron", "0 2 * * 0"], "has 5 fields.*'0 0 2 \\* \\* 0'"),
        (["--cron", "0 0 25 * * *"], "'25' as its hour"),
        (["--graph", "serve"], "no graph 'serve'"),
        (["--node-selector", "pool"], "'pool' is no label"),
    ],
)
def test_bad_input_is_refused_before_anything_is_sent(
    cluster: FakeKubeflow, arguments: list[str], message: str
) -> None:
    result = command(cluster, *arguments)
    assert isinstance(result.exception, ArthaflowError), result.output
    with pytest.raises(ArthaflowError, match=message):
        raise result.exception
    assert cluster.asked == []


def test_waiting_for_a_schedule_is_refused(cluster: FakeKubeflow) -> None:
    assert command(cluster, "--cron", "spec", "--wait").exit_code == 2
    assert cluster.asked == []


def test_values_are_read_as_the_inputs_types(cluster: FakeKubeflow) -> None:
    result = command(cluster, "--param", "seed=11", "--param", "horizons=1_day", "--param", "until=2016-12-30")
    assert result.exit_code == 0, result.exception
    given = cluster.one("runs")["runtime_config"]["parameters"]
    assert (given["seed"], given["horizons"], given["until"]) == (11, ["1_day"], "2016-12-30")


def test_a_host_that_is_no_kubeflow_is_named(tmp_path: Path) -> None:
    import threading
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    try:
        with pytest.raises(ConfigurationError, match="answers 404 and is no Kubeflow Pipelines API"):
            submit("tiny", f"http://127.0.0.1:{served.server_port}")
    finally:
        served.shutdown()
        served.server_close()


def test_an_unknown_model_is_named(cluster: FakeKubeflow) -> None:
    with pytest.raises(UnknownModel):
        submit("nothing", cluster.url)


@pytest.mark.parametrize("graph", sorted(BUILDERS))
def test_every_kind_of_graph_runs_and_is_scheduled(cluster: FakeKubeflow, graph: str) -> None:
    if not can_build(graph, get_spec("tiny")):
        with pytest.raises((ArthaflowError, ImportError)):
            submit("tiny", cluster.url, graph=graph)
        assert cluster.asked == []
        return
    run = submit("tiny", cluster.url, graph=graph)
    submit("tiny", cluster.url, graph=graph, cron="0 30 * * * *")
    assert cluster.one("pipelines")["display_name"] == f"{graph}-tiny"
    assert cluster.one("recurringruns")["display_name"] == f"{graph} tiny"
    wait(cluster.url, run.id, poll_s=0.001)


def test_a_drift_check_by_the_command(cluster: FakeKubeflow) -> None:
    url = "http://tiny-detector-predictor.quants.svc"
    result = command(
        cluster, "--graph", "drift", "--param", f"url={url}", "--param", "retrain=false", "--name", "by hand"
    )
    assert result.exit_code == 0, result.exception
    run = cluster.one("runs")
    assert run["display_name"] == "by hand"
    assert run["runtime_config"]["parameters"] == {"url": url, "retrain": False}
    assert isinstance(command(cluster, "--graph", "drift", "--until", "2016-12-30").exception, ConfigurationError)


def test_the_server_is_strict(cluster: FakeKubeflow) -> None:
    """What the fake refuses, as the real one does: otherwise the tests above would prove little."""
    from kfp_server_api import ApiException

    from pipelines.kubeflow import connect

    known = submit("tiny", cluster.url)
    experiment = cluster.one("experiments")["experiment_id"]

    def refuse(status: int, words: str, **asked: Any) -> None:
        shared = {
            "experiment_id": experiment,
            "job_name": "x",
            "pipeline_id": known.pipeline,
            "version_id": known.version,
        }
        with connect(cluster.url) as connection, pytest.raises(ApiException) as caught:
            connection.client.run_pipeline(**{**shared, **asked})
        assert caught.value.status == status
        assert words in caught.value.body

    refuse(400, "not required by pipeline: nonsense", params={"nonsense": 1})
    refuse(400, "requires type STRING", params={"until": 1})
    refuse(404, "not found", experiment_id="none")
    refuse(404, "not found", version_id="none")
    with connect(cluster.url) as connection:
        api = connection.client
        again = api.api_models.V2beta1Pipeline(name="train-tiny", display_name="train-tiny")
        with pytest.raises(ApiException, match="409"):
            api.pipelines.pipeline_service_create_pipeline(pipeline=again)
        job = {"experiment_id": experiment, "job_name": "x", "pipeline_id": known.pipeline, "version_id": known.version}
        with pytest.raises(ApiException, match="not a supported format"):
            api.create_recurring_run(cron_expression="0 2 * * *", **job)
        with pytest.raises(ApiException, match="max concurrency"):
            api.create_recurring_run(cron_expression="0 0 2 * * *", max_concurrency=0, **job)
