"""The explainer as a process of each environment, before a real predictor."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from inference.ports import free_port
from tests.support.predictor import Predictor, predictor
from tests.support.surroundings import EXPLAIN_PYTHON, Server, needs_alibi, server
from tests.support.tiny import make_tiny_artifact, room_environment, tiny_rows

FEATURES = {"close": 2100.0, "rsi_14": 30.0, "volatility_21": 0.2, "volume_ratio": 1.0}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_artifact(tmp_path_factory.mktemp("explain") / "tiny").directory


@pytest.fixture(scope="module")
def model(artifact: Path) -> Iterator[Predictor]:
    with predictor(artifact) as running:
        yield running


def arguments(artifact: Path, host: str) -> tuple[object, ...]:
    # KServe appends what it likes: its service's name as the model's, and arguments that are unknown here.
    appended = ("--model_name", "tiny-v1", "--predictor_host", host, "--workers", "1", "--unknown=1")
    return ("--artifact", artifact, "--protocol_name", "tiny", *appended)


@pytest.fixture(
    scope="module",
    params=[pytest.param(sys.executable, id="main"), pytest.param(EXPLAIN_PYTHON, id="alibi", marks=needs_alibi)],
)
def explainer(
    request: pytest.FixtureRequest, artifact: Path, model: Predictor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    logs = tmp_path_factory.mktemp("logs")
    with server("explainer", logs, *arguments(artifact, f"127.0.0.1:{model.port}"), python=request.param) as running:
        yield running


def explain(running: Server, body: dict[str, Any], path: str = "/v1/models/tiny:explain") -> httpx.Response:
    return httpx.post(running.url + path, json=body, timeout=60)


def test_it_attributes_the_models_own_answer(explainer: Server, model: Predictor) -> None:
    (answer,) = explain(explainer, {"instances": [{"features": FEATURES}]}).json()["explanations"]
    sent = {"inputs": [{"name": "features", "datatype": "FP64", "shape": [1, 4], "data": list(FEATURES.values())}]}
    predicted = httpx.post(f"{model.url}/v2/models/tiny/infer", json=sent).json()
    price = next(o for o in predicted["outputs"] if o["name"] == "price")["data"][0]
    assert answer["prediction"] == pytest.approx(price)
    total = answer["base_value"] + sum(a["attribution"] for a in answer["attributions"])
    assert total == pytest.approx(price)
    assert answer["additivity"]["holds"]
    assert answer["method"] == ("kernel_shap" if "alibi" in answer["library"] else "permutation_shap")
    assert answer["attributions"][0] | {"standard_error": 0, "attribution": 0} == {
        "feature": "close",
        "value": 2100.0,
        "unit": "index points",
        "attribution": 0,
        "standard_error": 0,
    }


def test_every_way_to_ask_gets_the_same_answer(explainer: Server) -> None:
    row = list(FEATURES.values())
    v2 = {"inputs": [{"name": "features", "datatype": "FP64", "shape": [1, 4], "data": row}]}
    bodies: list[dict[str, Any]] = [{"instances": [{"features": FEATURES}]}, {"instances": [{"features": row}]}, v2]
    answers = [explain(explainer, b).json()["explanations"][0] for b in [*bodies, {"instances": [row]}]]
    answers.append(explain(explainer, v2, "/v2/models/tiny/explain").json()["explanations"][0])
    for answer in answers:
        answer.pop("seconds")
    assert all(answer == answers[0] for answer in answers)


def test_the_change_is_explained_by_what_moves_it(explainer: Server) -> None:
    body = {"instances": [{"features": FEATURES}], "parameters": {"relative_to": "close"}}
    (answer,) = explain(explainer, body).json()["explanations"]
    assert answer["output"] == "price.1_day - close"
    assert answer["attributions"][0]["feature"] == "rsi_14"
    assert answer["attributions"][0]["attribution"] > 0, "a low RSI lifts the tiny model's forecast"
    assert "rsi_14 = 30 percent" in answer["why"]


def test_no_header_of_the_request_comes_back(explainer: Server) -> None:
    headers = {"Authorization": "Bearer secret", "X-Own": "mine"}
    answer = httpx.post(
        f"{explainer.url}/v1/models/tiny:explain", json={"instances": [list(FEATURES.values())]}, headers=headers
    )
    assert answer.status_code == 200
    assert not {"authorization", "x-own", "transfer-encoding"} & set(answer.headers)


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({"instances": [{"features": [1, 2, "x", 4]}]}, 400, "instances[0].features"),
        ({"instances": [{"features": [1, 200, 0.3, 4]}]}, 400, "features.rsi_14[0]"),
        ({"instances": []}, 400, "instances"),
        ({"instances": [list(FEATURES.values())] * 17}, 400, "instances"),
        ({"instances": [list(FEATURES.values())], "parameters": {"kind": "lime"}}, 400, "parameters.kind"),
        ({"instances": [list(FEATURES.values())], "parameters": {"relative_to": "x"}}, 400, "relative_to"),
        ({"inputs": [{"name": "featurs", "datatype": "FP64", "shape": [1], "data": [1]}]}, 400, "inputs[0].name"),
    ],
)
def test_bad_input_is_refused_with_its_path(explainer: Server, body: dict[str, Any], status: int, path: str) -> None:
    answer = explain(explainer, body)
    assert (answer.status_code, answer.json()["path"]) == (status, path)


def test_what_it_does_not_do_is_said(explainer: Server) -> None:
    assert explain(explainer, {}, "/v1/models/other:explain").status_code == 404
    assert explain(explainer, {}, "/v2/models/tiny/infer").status_code == 404
    assert explain(explainer, {}, "/v2/repository/models/tiny/unload").status_code == 403
    metrics = httpx.get(f"{explainer.url}/metrics").text
    assert 'arthaflow_explain_errors_total{model="tiny",status="404"}' in metrics


def test_an_anchor_names_the_rule_that_holds_the_direction(explainer: Server) -> None:
    body = {"instances": [{"features": FEATURES}], "parameters": {"kind": "anchor_tabular"}}
    told = explain(explainer, body)
    if told.status_code == 400:  # the main environment has no Alibi, and says so
        assert told.json()["remedy"].startswith("Use one of permutation_shap, ")
        assert "anchor" not in told.json()["remedy"]
        return
    (answer,) = told.json()["explanations"]
    assert answer["class"] == "up"
    assert "above the current close (2100)" in answer["class_definition"]
    assert any(rule.startswith("rsi_14 <=") for rule in answer["anchor"])
    assert answer["precision"] >= 0.9
    assert 0 < answer["coverage"] <= 1
    again = explain(explainer, body).json()["explanations"][0]
    assert again | {"seconds": 0} == answer | {"seconds": 0}, "the seed is fixed"


def test_without_a_predictor_it_is_not_ready_and_answers_503(artifact: Path, tmp_path: Path) -> None:
    known = arguments(artifact, f"127.0.0.1:{free_port()}")
    with server("explainer", tmp_path, *known, ready=False) as running:
        answer = explain(running, {"instances": [list(FEATURES.values())]})
        assert answer.status_code == 503
        assert "does not answer" in answer.json()["error"]
        ready = httpx.get(f"{running.url}/v2/health/ready")
        assert ready.status_code == 503
        assert ready.json()["reason"]
        running.process.stop()
        assert running.process.returncode in (0, -15)


def test_a_taken_port_and_an_unknown_kind_are_one_clear_message(
    artifact: Path, model: Predictor, tmp_path: Path
) -> None:

    base = [sys.executable, "-m", "inference.explainer", *map(str, arguments(artifact, f"127.0.0.1:{model.port}"))]
    for extra, message in (
        (["--http_port", str(model.port)], "PortInUse"),
        (["--kind", "lime"], "no explainer 'lime'"),
    ):
        ended = subprocess.run([*base, *extra], env=room_environment(), capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert message in ended.stderr
        assert "Traceback" not in ended.stderr


def test_rows_of_the_tiny_model_are_explained_within_their_batch(explainer: Server) -> None:
    rows = tiny_rows(3)["features"].tolist()
    together = explain(explainer, {"instances": rows}).json()["explanations"]
    alone = [explain(explainer, {"instances": [row]}).json()["explanations"][0] for row in rows]
    for one, other in zip(together, alone, strict=True):
        assert one | {"seconds": 0} == other | {"seconds": 0}


@pytest.mark.parametrize("kind", ["lime_tabular", "counterfactual"])
def test_further_kinds_run_in_both_environments_and_repeat_themselves(explainer: Server, kind: str) -> None:
    body = {"instances": [{"features": FEATURES}], "parameters": {"kind": kind}}
    first, second = (explain(explainer, body).json()["explanations"][0] for _ in range(2))
    assert first["method"] == kind
    assert first | {"seconds": 0} == second | {"seconds": 0}
    if kind == "counterfactual":
        assert first["wanted"] == "price.1_day not up (at most the row's own close)"
        assert first["counterfactuals"][0]["prediction"] <= FEATURES["close"] < first["prediction"]
        assert first["counterfactuals"][0]["changes"][0]["feature"] == "rsi_14"


def whole(running: Server, kind: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
    body = {"parameters": {"kind": kind, **options}}
    return httpx.post(f"{running.url}/v1/models/tiny:explain", json=body, headers=headers, timeout=120)


@pytest.mark.parametrize("kind", ["global_importance", "surrogate_tree"])
def test_the_whole_model_is_explained_without_an_instance_and_kept(explainer: Server, kind: str) -> None:
    (first,) = whole(explainer, kind, relative_to="close").json()["explanations"]
    (second,) = whole(explainer, kind, relative_to="close").json()["explanations"]
    assert (first.pop("cached"), second.pop("cached")) == (False, True)
    assert first == second, "the seconds too: it was not computed again"
    top = first["importance"][0]["feature"] if kind == "global_importance" else first["tree"]["feature"]
    assert top == "rsi_14"
    assert first["model_version"]


def test_instances_and_whole_models_do_not_mix(explainer: Server) -> None:
    row = list(FEATURES.values())
    mixed = explain(explainer, {"instances": [row], "parameters": {"kind": "global_importance"}})
    assert (mixed.status_code, mixed.json()["path"]) == (400, "instances")
    bare = explain(explainer, {"parameters": {"kind": "lime_tabular"}})
    assert (bare.status_code, bare.json()["path"]) == (400, "instances")
    unknown = whole(explainer, "surrogate_tree", max_dept=3)
    assert (unknown.status_code, unknown.json()["path"]) == (400, "parameters.max_dept")


def test_a_blend_or_formula_has_no_trees_to_explain_exactly(explainer: Server) -> None:
    body = {"instances": [{"features": FEATURES}], "parameters": {"kind": "tree_shap"}}
    answer = explain(explainer, body)
    assert answer.status_code == 400
    assert answer.json()["path"] == "parameters.kind"
    (shap,) = explain(explainer, {**body, "parameters": {"kind": "shap"}}).json()["explanations"]
    assert shap["method"] in ("kernel_shap", "permutation_shap")


def test_who_comes_before_it_is_done_is_told_when_to_come_back(
    artifact: Path, model: Predictor, tmp_path: Path
) -> None:
    known = (*arguments(artifact, f"127.0.0.1:{model.port}"), "--wait_seconds", "0.001")
    with server("explainer", tmp_path, *known) as running:
        early = whole(running, "global_importance", rows=256)
        assert early.status_code == 503
        assert int(early.headers["retry-after"]) >= 1
        assert "is being computed" in early.json()["error"]
        gently = whole(running, "global_importance", {"prefer": "respond-async"}, rows=255)
        assert gently.status_code == 202
        assert int(gently.headers["retry-after"]) >= 1
        alone = explain(running, {"instances": [{"features": FEATURES}]})
        assert alone.status_code == 200, "meanwhile single predictions are explained"


def test_what_takes_too_long_is_given_up(artifact: Path, model: Predictor, tmp_path: Path) -> None:
    known = (*arguments(artifact, f"127.0.0.1:{model.port}"), "--whole_model_seconds", "0.000001")
    with server("explainer", tmp_path, *known) as running:
        answer = whole(running, "surrogate_tree")
        assert answer.status_code == 504
        assert "was not done within" in answer.json()["error"]
