"""The Experiment: Katib's rules, each broken once, and what a trial's Job must have."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from components.catalog import get_spec
from components.errors import ConfigurationError
from components.models.spec import ModelSpec, TrainingSpec
from components.tuning.katib import SPEC_HASH, Budget, build_experiment, experiment_name, spec_hash
from components.tuning.katib_job import Placement
from components.tuning.katib_rules import check, problems
from components.tuning.space import Parameter, Space, space_of

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def spec() -> ModelSpec:
    return get_spec("price_forecast")


@pytest.fixture(scope="module")
def experiment(spec: ModelSpec) -> dict[str, Any]:
    return build_experiment(spec, space_of(spec), "price-forecast-1a2b")


def pod(experiment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = experiment["spec"]["trialTemplate"]["trialSpec"]["spec"]["template"]
    return found


def container(experiment: dict[str, Any]) -> dict[str, Any]:
    (found,) = pod(experiment)["spec"]["containers"]
    return dict(found)


def first(experiment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = experiment["spec"]["parameters"][0]
    return found


BROKEN: list[tuple[Change, str]] = [
    (lambda e: e["metadata"].update(name="a" * 41), "41 characters"),
    (lambda e: e["metadata"].update(name="1-credit"), "begin with a letter"),
    (lambda e: e["metadata"].update(name="price_forecast"), "lower case"),
    (lambda e: e["spec"]["objective"].update(type="lowest"), "neither minimize nor maximize"),
    (lambda e: e["spec"]["objective"].pop("objectiveMetricName"), "objectiveMetricName is missing"),
    (lambda e: e["spec"]["objective"]["additionalMetricNames"].append("interval_score_ratio"), "repeats"),
    (lambda e: e["spec"]["objective"].update(objectiveMetricName="val/loss.1"), "does not match the metric name"),
    (lambda e: e["spec"]["algorithm"].update(algorithmName="optuna"), "'optuna' is none of"),
    (lambda e: e["spec"].update(resumePolicy="Always"), "resumePolicy 'Always'"),
    (lambda e: e["spec"].update(maxTrialCount=2, parallelTrialCount=3, maxFailedTrialCount=1), "parallelTrialCount 3"),
    (lambda e: (e["spec"].update(maxTrialCount=2), e["spec"].pop("parallelTrialCount")), "parallelTrialCount 3"),
    (lambda e: e["spec"].update(maxFailedTrialCount=13), "maxFailedTrialCount 13 exceeds"),
    (lambda e: e["spec"].update(maxFailedTrialCount=-1), "maxFailedTrialCount is -1"),
    (lambda e: e["spec"].update(maxTrialCount=0), "maxTrialCount is 0"),
    (lambda e: e["spec"].update(parallelTrialCount=0), "parallelTrialCount is 0"),
    (lambda e: e["spec"].update(parameters=[]), "no parameters"),
    (lambda e: first(e)["feasibleSpace"].pop("min"), "needs min and max"),
    (lambda e: first(e)["feasibleSpace"].update(min=0.25), "as text"),
    (lambda e: first(e)["feasibleSpace"].update(list=["1"]), "has a list"),
    (lambda e: first(e).update(parameterType="categorical", feasibleSpace={}), "needs a list"),
    (lambda e: first(e).update(parameterType="categorical", feasibleSpace={"list": ["a b"]}), "'a b'"),
    (lambda e: first(e).update(parameterType="categorical", feasibleSpace={"list": ["a"], "max": "1"}), "and bounds"),
    (lambda e: first(e).update(parameterType="float"), "the type 'float'"),
    (lambda e: e["spec"]["trialTemplate"].pop("primaryContainerName"), "primaryContainerName is missing"),
    (lambda e: e["spec"]["trialTemplate"].update(primaryContainerName="train"), "no container 'train'"),
    (lambda e: e["spec"]["trialTemplate"].update(configMap={}), "either a trialSpec or a configMap"),
    (lambda e: e["spec"]["trialTemplate"].pop("trialSpec"), "either a trialSpec or a configMap"),
    (lambda e: e["spec"]["trialTemplate"].update(trialParameters=[]), "trialParameters is missing"),
    (lambda e: e["spec"]["trialTemplate"]["trialParameters"][0].update(reference="x"), "is no parameter"),
    (lambda e: e["spec"]["trialTemplate"]["trialParameters"][0].update(name="y"), "'y' is not used"),
    (lambda e: e["spec"]["trialTemplate"]["trialParameters"].pop(), "is not declared"),
    (lambda e: e["spec"]["trialTemplate"]["trialSpec"].update(metadata={"name": "x"}), "a name or a namespace"),
    (lambda e: pod(e)["spec"]["containers"][0].pop("command"), "ask the image registry"),
    (lambda e: pod(e)["spec"]["containers"][0]["command"].append("--note=a b"), "'--note=a b'"),
    (lambda e: pod(e)["spec"]["containers"][0]["command"].append("--note=$HOME"), r"\$HOME"),
    (lambda e: pod(e)["spec"]["containers"][0].update(args=["it's"]), "it's"),
    (lambda e: pod(e)["metadata"]["annotations"].clear(), "sidecar.istio.io/inject"),
]


@pytest.mark.parametrize(("change", "words"), BROKEN, ids=[words for _, words in BROKEN])
def test_each_rule_is_checked(experiment: dict[str, Any], change: Change, words: str) -> None:
    broken = copy.deepcopy(experiment)
    change(broken)
    with pytest.raises(ConfigurationError, match=words):
        check(broken)


def test_what_is_built_keeps_them_all(experiment: dict[str, Any]) -> None:
    assert list(problems(experiment)) == []
    assert experiment["metadata"]["annotations"][SPEC_HASH] == spec_hash(experiment)


def test_the_space_is_the_models(spec: ModelSpec, experiment: dict[str, Any]) -> None:
    built = {p["name"]: (p["parameterType"], p["feasibleSpace"]) for p in experiment["spec"]["parameters"]}
    assert list(built) == list(space_of(spec).names)
    assert built["tree_depth"] == ("int", {"min": "2", "max": "6", "distribution": "uniform"})
    assert built["tree_rate"] == ("double", {"min": "0.01", "max": "0.2", "distribution": "logUniform"})


def test_choices_become_a_list(spec: ModelSpec) -> None:
    space = Space("m", (Parameter("kind", "choice", "a", choices=("a", 2, True)),))
    (parameter,) = build_experiment(spec, space, "x")["spec"]["parameters"]
    assert parameter["feasibleSpace"] == {"list": ["a", "2", "True"]}
    assert [space.parameters[0].parse(v) for v in parameter["feasibleSpace"]["list"]] == ["a", 2, True]


def test_every_metric_counts_with_its_last_value(experiment: dict[str, Any]) -> None:
    objective = experiment["spec"]["objective"]
    assert objective["type"] == "minimize"
    assert {s["name"]: s["value"] for s in objective["metricStrategies"]} == dict.fromkeys(
        [objective["objectiveMetricName"], *objective["additionalMetricNames"]], "latest"
    )


def test_the_job_is_locked_down_and_bounded(spec: ModelSpec, experiment: dict[str, Any]) -> None:
    job = experiment["spec"]["trialTemplate"]["trialSpec"]
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["activeDeadlineSeconds"] == spec.training.timeout_s
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    assert experiment["spec"]["trialTemplate"]["retain"] is True, "Katib would delete the Job, and its log, at its end"
    inside = pod(experiment)["spec"]
    assert inside["restartPolicy"] == "Never"
    assert inside["automountServiceAccountToken"] is False
    assert inside["securityContext"]["runAsNonRoot"] is True
    one = container(experiment)
    assert one["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    homes = {e["name"]: e["value"] for e in one["env"]}
    (mount,) = one["volumeMounts"]
    assert homes["ARTHAFLOW_HOME"].startswith(mount["mountPath"])
    assert homes["HOME"].startswith(mount["mountPath"])
    assert {next(iter(s.values()))["name"] for s in one["envFrom"]} == {"arthaflow-settings", "arthaflow-s3"}
    assert one["image"].split("/")[-1].split(":")[0] == spec.training.image
    assert "tolerations" not in inside


def test_an_accelerator_and_a_placement_reach_the_pod(spec: ModelSpec) -> None:
    gpu = replace(spec, training=TrainingSpec(accelerator="nvidia.com/mig-1g.10gb", accelerators=2))
    where = Placement({"pool": "gpu"}, [{"key": "team", "value": "ml", "effect": ""}], ["registry"])
    built = build_experiment(gpu, space_of(gpu), "x", placement=where)
    inside = pod(built)["spec"]
    assert container(built)["resources"]["limits"]["nvidia.com/mig-1g.10gb"] == "2"
    assert inside["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "ml"},
    ]
    assert inside["nodeSelector"] == {"pool": "gpu"}
    assert inside["imagePullSecrets"] == [{"name": "registry"}]


@pytest.mark.parametrize("trials", [1, 2, 3, 100])
def test_small_and_large_budgets_are_accepted(spec: ModelSpec, trials: int) -> None:
    built = build_experiment(spec, space_of(spec), "x", budget=Budget(trials, parallel=3))
    assert built["spec"]["maxTrialCount"] == trials
    assert built["spec"]["parallelTrialCount"] == min(3, trials)


def test_a_place_that_a_shell_would_split_is_refused(spec: ModelSpec) -> None:
    with pytest.raises(ConfigurationError, match="--data=s3://b/my data"):
        build_experiment(spec, space_of(spec), "x", "s3://b/my data")


@pytest.mark.parametrize("budget", [(0, 1), (3, 0)])
def test_an_empty_budget_is_refused(budget: tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError, match="is no search"):
        Budget(*budget)


def test_names_are_short_readable_and_belong_to_a_run() -> None:
    name = experiment_name("a_very_long_name_of_a_model_that_forecasts_prices", "run")
    assert len(name) <= 40
    assert experiment_name("price_forecast", "r1").startswith("price-forecast-")
    assert experiment_name("price_forecast", "r1") == experiment_name("price_forecast", "r1")
    assert len({experiment_name(m, r) for m in ("a", "b") for r in ("r1", "r2")}) == 4
