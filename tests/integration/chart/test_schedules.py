"""Recurring graphs: one CronJob per model and graph, at the right time, as small as its task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from components.catalog import catalogue, get_spec
from tests.support.chart import chart, nested, refusal
from tests.support.helm import find, needs_helm, objects
from tests.support.manifests import findings, needs_validator

pytestmark = needs_helm


def cronjobs(*values: Any, served: bool = True) -> dict[str, dict[str, Any]]:
    """The rendered CronJobs' specs by name."""
    found = objects(chart(*values, served=served))
    return {o["metadata"]["name"]: o["spec"] for o in found if o["kind"] == "CronJob"}


def container(spec: dict[str, Any]) -> dict[str, Any]:
    """The one container of a CronJob."""
    (found,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_every_model_is_trained_again_when_its_spec_says() -> None:
    found = cronjobs(served=False)
    scheduled = {name: spec.training.schedule for name, spec in catalogue().items() if spec.training.schedule}
    assert {f"{n.replace('_', '-')}-train": s for n, s in scheduled.items()} == {
        n: j["schedule"] for n, j in found.items()
    }


def test_drift_is_looked_for_where_a_model_is_served_and_watched() -> None:
    assert cronjobs()["price-forecast-drift"]["schedule"] == "0 * * * *"
    assert "price-forecast-drift" not in cronjobs(served=False)
    assert "price-forecast-drift" not in cronjobs(nested("detectors.enabled", False))
    assert "price-forecast-drift" not in cronjobs(nested("schedules.drift", ""))


def test_times_can_be_changed_and_taken_away() -> None:
    other = cronjobs(
        nested("schedules.retraining", {"price_forecast": "30 3 * * 1"}), nested("schedules.timeZone", "Asia/Kolkata")
    )
    assert other["price-forecast-train"]["schedule"] == "30 3 * * 1"
    assert {spec["timeZone"] for spec in other.values()} == {"Asia/Kolkata"}
    assert "price-forecast-train" not in cronjobs(nested("schedules.retraining", {"price_forecast": ""}))


def test_without_schedules_nothing_is_left_of_them() -> None:
    found = objects(chart(nested("schedules.enabled", False)))
    assert not [o for o in found if "schedules" in o["metadata"]["name"] or o["kind"] == "CronJob"]


@pytest.mark.parametrize("name", ["price-forecast-train", "price-forecast-drift"])
def test_a_missed_time_is_not_caught_up_and_runs_never_overlap(name: str) -> None:
    spec = cronjobs()[name]
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] == 600
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (1, 3)
    job = spec["jobTemplate"]["spec"]
    assert (job["backoffLimit"], job["activeDeadlineSeconds"]) == (3, 900)
    assert len(name) <= 52  # a Job's name gets eleven characters more


@pytest.mark.parametrize(("name", "graph"), [("price-forecast-train", "train"), ("price-forecast-drift", "drift")])
def test_the_graph_is_handed_to_kubeflow(name: str, graph: str) -> None:
    values = {
        "kubeflow": {"host": "http://kfp.kf.svc:8888", "experiment": "nightly"},
        "images": {"registry": "r.local/x", "tag": "7"},
    }
    made = container(cronjobs(values)[name])
    assert made["image"] == "r.local/x/train-tabular:7"
    assert [*made["command"], *made["args"][:5]] == [
        "arthaflow",
        "submit",
        "price_forecast",
        f"--graph={graph}",
        "--host=$(ARTHAFLOW_KFP_HOST)",
        "--experiment=nightly",
        f"--name={graph} price_forecast $(JOB)",
        "--once",
    ]
    told = {e["name"]: e.get("value", "") for e in made["env"]}
    assert told["ARTHAFLOW_KFP_HOST"] == "http://kfp.kf.svc:8888"
    assert (told["ARTHAFLOW_IMAGE_REGISTRY"], told["ARTHAFLOW_IMAGE_TAG"]) == ("r.local/x", "7")


def test_a_job_that_is_tried_again_starts_nothing_twice() -> None:
    made = container(cronjobs()["price-forecast-train"])
    job = next(e for e in made["env"] if e["name"] == "JOB")
    assert job["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['batch.kubernetes.io/job-name']"
    assert "--once" in made["args"]


def test_the_drift_graph_asks_this_releases_detector() -> None:
    text = chart()
    asked = [a for a in container(cronjobs()["price-forecast-drift"])["args"] if a.startswith("--param=url=")]
    service = f"{find(text, 'InferenceService', 'price-forecast-detector')['metadata']['name']}-predictor"
    assert asked == [f"--param=url=http://{service}.ml.svc"]
    assert not [a for a in container(cronjobs()["price-forecast-train"])["args"] if a.startswith("--param")]


def test_where_kubeflow_has_several_users_a_token_for_it_alone_is_mounted() -> None:
    values = {"kubeflow": {"multiUser": True, "namespace": "team-a"}}
    pod = cronjobs(values)["price-forecast-drift"]["jobTemplate"]["spec"]["template"]["spec"]
    assert {"name": "ARTHAFLOW_KFP_NAMESPACE", "value": "team-a"} in pod["containers"][0]["env"]
    assert "--param=namespace=team-a" in pod["containers"][0]["args"]
    (token,) = [v["projected"]["sources"][0]["serviceAccountToken"] for v in pod["volumes"] if "projected" in v]
    assert token["audience"] == "pipelines.kubeflow.org"
    (mount,) = [m["mountPath"] for m in pod["containers"][0]["volumeMounts"] if m["name"] == "token"]
    from pipelines.kubeflow import IN_CLUSTER_TOKEN

    assert f"{mount}/{token['path']}" == IN_CLUSTER_TOKEN
    assert not [
        v
        for v in cronjobs()["price-forecast-drift"]["jobTemplate"]["spec"]["template"]["spec"]["volumes"]
        if "projected" in v
    ]


def test_the_command_and_the_graph_take_what_they_are_given(tmp_path: Path) -> None:
    from typer.main import get_command

    from pipelines.cli import app
    from pipelines.compile import compile_pipeline
    from pipelines.graph_arguments import graph_arguments, read_pairs

    submit = get_command(app).commands["submit"]  # type: ignore[attr-defined]
    known = {option for parameter in submit.params for option in parameter.opts}
    for name, spec in cronjobs({"kubeflow": {"multiUser": True}}).items():
        arguments = container(spec)["args"]
        assert {a.split("=")[0] for a in arguments} <= known
        graph = name.rsplit("-", 1)[1]
        given = read_pairs([a.removeprefix("--param=") for a in arguments if a.startswith("--param=")])
        package = compile_pipeline("price_forecast", tmp_path, graph)
        assert graph_arguments(graph, get_spec("price_forecast"), package, given).items() >= given.items()


def test_its_pod_is_restricted_and_has_no_rights() -> None:
    text = chart()
    pod = find(text, "CronJob", "price-forecast-train")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["containers"][0]["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    bound = [s["name"] for o in objects(text) if o["kind"] == "RoleBinding" for s in o["subjects"]]
    assert pod["serviceAccountName"] == "arthaflow-schedules"
    assert "arthaflow-schedules" not in bound


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            nested("schedules.retraining", {"nobody": "0 2 * * 0"}),
            f"the catalogue has no such model; it has {', '.join(catalogue())}",
        ),
        (nested("schedules.retraining", {"price_forecast": "0 0 2 * * 0"}), "schedules.retraining.price_forecast"),
        (nested("schedules.drift", "hourly"), "schedules.drift"),
        (nested("schedules.timeZone", "half past two"), "schedules.timeZone"),
        (nested("kubeflow.host", "ml-pipeline"), "kubeflow.host"),
    ],
)
def test_wrong_times_are_refused(values: Any, said: str) -> None:
    assert said in refusal(values)


@needs_validator
@pytest.mark.parametrize(
    "values",
    [{}, nested("kubeflow.multiUser", True), nested("schedules.drift", ""), nested("images.pullSecrets", ["registry"])],
)
def test_what_is_rendered_is_valid(values: Any) -> None:
    assert findings(chart(values)) == []
