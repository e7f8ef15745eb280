"""Document 1's explain endpoints through a real gateway, explainer and predictor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from components.records.database import Database
from components.records.tables import ml_predictions
from tests.support.gateway import ROW, ProductApi, product_api
from tests.support.predictor import Predictor, predictor
from tests.support.surroundings import Server, server
from tests.support.tiny import make_tiny_artifact

pytestmark = pytest.mark.slow
BASE = "/api/v1/ml/explain"
ORDER = ("close", "rsi_14", "volatility_21", "volume_ratio")
ASKED = {"model": "tiny", "instance": {"features": ROW}}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_artifact(tmp_path_factory.mktemp("explain") / "tiny").directory


@pytest.fixture(scope="module")
def model(artifact: Path) -> Iterator[Predictor]:
    with predictor(artifact, "--model_version", "1") as running:
        yield running


@pytest.fixture(scope="module")
def explainer(artifact: Path, model: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    known = ("--artifact", artifact, "--model_name", "tiny", "--predictor_host", f"127.0.0.1:{model.port}")
    with server("explainer", tmp_path_factory.mktemp("logs"), *known) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(model: Predictor, explainer: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductApi]:
    models = {
        "tiny": {"url": model.url, "explain_url": explainer.url},
        "mute": {"url": model.url, "explains": False},
    }
    with product_api(tmp_path_factory.mktemp("gateway"), models) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: ProductApi) -> Iterator[httpx.Client]:
    with gateway.client("app") as made:
        yield made


def data(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    assert told["status"] == "success"
    return told["data"]


def patient(client: httpx.Client, method: str, path: str, **asked: Any) -> httpx.Response:
    """Ask again while the answer is being computed, as Retry-After says."""
    for _ in range(30):
        answer = client.request(method, path, **asked)
        if answer.status_code != 503:
            return answer
        assert answer.json()["error"]["code"] == "EXPLANATION_PENDING"
        time.sleep(int(answer.headers["retry-after"]))
    raise AssertionError("it never came")


def test_shapley_values_add_up_and_name_the_top_three(client: httpx.Client) -> None:
    answer = client.post(f"{BASE}/shap", json={**ASKED, "parameters": {"relative_to": "close"}})
    told = data(answer)
    assert (told["method"], told["model"], told["model_version"]) == ("permutation_shap", "tiny", "1")
    total = told["base_value"] + sum(c["contribution"] for c in told["contributions"])
    assert total == pytest.approx(told["prediction"])
    assert told["additivity"]["holds"]
    assert told["output"] == "price.1_day - close"
    assert len(told["top_factors"]) == 3
    first = told["contributions"][0]
    verb = "raises" if first["contribution"] > 0 else "lowers"
    assert told["top_factors"][0].startswith(f"{first['feature']} = ")
    assert f" {verb} price.1_day - close by " in told["top_factors"][0]
    metadata = answer.json()["metadata"]
    assert metadata["model_version"] == "1"
    assert metadata["disclaimers"] == ["Not investment advice."]
    named = data(client.post(f"{BASE}/shap", json={**ASKED, "parameters": {"kind": "permutation_shap"}}))
    assert named["method"] == "permutation_shap"


def test_lime_finds_the_slopes_with_their_fidelity(client: httpx.Client) -> None:
    told = data(client.post(f"{BASE}/lime", json={**ASKED, "parameters": {"features": 3, "relative_to": "close"}}))
    assert told["method"] == "lime_tabular"
    assert 0.95 < told["fidelity"] < 1.0, "price times a linear return is nearly linear around one row"
    assert len(told["contributions"]) == 3
    slopes = {c["feature"]: c["coefficient"] for c in told["contributions"]}
    assert slopes["rsi_14"] < 0, "a high RSI lowers the tiny model's forecast"
    assert 0 < told["details"]["stability"]["selection"] <= 1


def test_a_counterfactual_is_what_the_model_really_answers(client: httpx.Client) -> None:
    here = data(client.post(f"{BASE}/shap", json=ASKED))["prediction"]
    goal = here * 1.002
    told = data(client.post(f"{BASE}/counterfactual", json={**ASKED, "parameters": {"at_least": goal, "count": 2}}))
    assert told["found"]
    assert told["prediction"] == pytest.approx(here)
    for found in told["counterfactuals"]:
        assert found["valid"]
        row = dict(zip(ORDER, found["instance"]["features"], strict=True))
        served = data(client.post("/api/ml/lab/tiny", json=row))["prices"]["1_day"]
        assert served == pytest.approx(found["prediction"])
        assert served >= goal
        assert all(c["from"] == ROW[c["feature"]] for c in found["changes"])
    assert told["top_factors"][0].startswith("With ")


def logged(gateway: ProductApi, client: httpx.Client) -> str:
    """Return the id of a prediction that has reached the database."""
    told = client.post("/api/ml/lab/tiny", json=ROW).json()["metadata"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if row_of(gateway, told["prediction_id"]) is not None:
            return str(told["prediction_id"])
        time.sleep(0.05)
    raise AssertionError("the prediction never reached the database")


def row_of(gateway: ProductApi, prediction_id: str) -> Any:
    database = Database(f"sqlite:///{gateway.home / 'records.db'}")
    try:
        with database.read() as connection:
            query = select(ml_predictions).where(ml_predictions.c.prediction_id == prediction_id)
            return connection.execute(query).one_or_none()
    finally:
        database.close()


def test_a_logged_prediction_is_explained_and_the_explanation_kept(gateway: ProductApi, client: httpx.Client) -> None:
    prediction_id = logged(gateway, client)
    told = data(client.post(f"{BASE}/shap", json={"prediction_id": prediction_id}))
    assert told["stored"]
    assert told["prediction_id"] == prediction_id
    row = row_of(gateway, prediction_id)
    assert told["prediction"] == pytest.approx(float(row.prediction_value)), "the same inputs, the same answer"
    values = {c["feature"]: c["contribution"] for c in told["contributions"]}
    assert row.shap_values["values"] == pytest.approx(values)
    assert row.shap_values["base_value"] == pytest.approx(told["base_value"])
    assert sum(row.feature_importance["shares"].values()) == pytest.approx(1.0)
    assert row.explanation_text.startswith("permutation_shap: price.1_day is ")
    data(client.post(f"{BASE}/lime", json={"prediction_id": prediction_id, "model": "tiny"}))
    again = row_of(gateway, prediction_id)
    assert again.feature_importance["method"] == "lime_tabular"
    assert again.shap_values == row.shap_values


def test_somebody_elses_prediction_is_the_auditors_to_explain(gateway: ProductApi, client: httpx.Client) -> None:
    asked = {"prediction_id": logged(gateway, client)}
    with gateway.client("app", subject="another") as other:
        refused = other.post(f"{BASE}/shap", json=asked)
        assert refused.status_code == 404
        assert "audit:read" in refused.json()["error"]["details"]["remedy"]
        nothing = other.post(f"{BASE}/shap", json={"prediction_id": "no such"})
        assert nothing.status_code == 404
        assert nothing.json()["error"]["code"] == refused.json()["error"]["code"]
    with gateway.client("admin", subject="auditor") as auditor:
        assert data(auditor.post(f"{BASE}/shap", json=asked))["stored"]
    wrong = client.post(f"{BASE}/shap", json={**asked, "model": "mute"})
    assert (wrong.status_code, wrong.json()["error"]["details"]["path"]) == (400, "model")


def test_a_product_request_is_explained_as_it_would_be_answered(client: httpx.Client) -> None:
    by_request = data(client.post(f"{BASE}/shap", json={"model": "tiny", "request": ROW}))
    by_tensors = data(client.post(f"{BASE}/shap", json=ASKED))
    assert by_request["contributions"] == by_tensors["contributions"]


def test_feature_importance_is_computed_once(client: httpx.Client) -> None:
    asked = {"params": {"model": "tiny", "relative_to": "close", "rows": 16, "repeats": 3}}
    first = patient(client, "GET", f"{BASE}/feature-importance", **asked)
    told = data(first)
    shares = [e["share"] for e in told["importance"]]
    assert sorted(e["feature"] for e in told["importance"]) == sorted(ORDER)
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) == pytest.approx(1.0)
    assert told["top_factors"][0].startswith(f"{told['importance'][0]['feature']} moves ")
    second = client.get(f"{BASE}/feature-importance", **asked)
    assert second.json()["metadata"]["cached"]
    assert second.json()["data"] == first.json()["data"]


def test_a_decision_tree_tells_how_far_it_can_be_trusted(client: httpx.Client) -> None:
    asked = {"json": {"model": "tiny", "max_depth": 3, "of": "class", "samples": 2048}}
    told = data(patient(client, "POST", f"{BASE}/decision-tree", **asked))
    assert told["classes"] == ["not up", "up"]
    assert told["fidelity"]["measure"] == "accuracy"
    assert told["fidelity"]["score"] > told["fidelity"]["always_the_usual_class"]
    assert told["depth"] <= 3
    assert len(told["rules"]) == told["leaves"]
    assert told["tree"]["feature"] == "rsi_14"


@pytest.mark.parametrize("path", ["shap", "lime", "counterfactual", "decision-tree"])
def test_a_model_without_an_explainer_is_404_with_those_that_have_one(client: httpx.Client, path: str) -> None:
    for name in ("mute", "nope"):
        body = {"model": name} if path == "decision-tree" else {"model": name, "instance": {"features": ROW}}
        answer = client.post(f"{BASE}/{path}", json=body)
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "EXPLAINER_NOT_AVAILABLE"
        assert answer.json()["error"]["details"]["models"] == ["tiny"]
    assert client.get(f"{BASE}/feature-importance", params={"model": "mute"}).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "status", "told"),
    [
        ("shap", {"model": "tiny"}, 422, "exactly one of instance, request and prediction_id"),
        ("shap", {"instance": {"features": ROW}}, 422, "model is missing"),
        ("shap", {**ASKED, "request": ROW}, 422, "exactly one"),
        ("shap", {**ASKED, "parameters": {"kind": "lime_tabular"}}, 422, "kind is none of"),
        ("lime", {**ASKED, "parameters": {"kind": "shap"}}, 422, "kind is none of lime_tabular, sensitivity"),
        ("counterfactual", {**ASKED, "parameters": {"kind": "shap"}}, 422, "told by the path"),
        ("lime", {**ASKED, "parameters": {"features": 0}}, 400, "greater than or equal to 1"),
        ("lime", {**ASKED, "parameters": {"feature": 1}}, 400, "is not known"),
        ("shap", {"model": "tiny", "instance": {"features": {**ROW, "rsi_14": 300.0}}}, 400, "outside [0.0, 100.0]"),
        ("shap", {"model": "tiny", "instance": {"prices": [1.0]}}, 400, "'features' is missing"),
        ("shap", {"model": "tiny", "request": {"close": -1.0}}, 422, "close"),
        ("counterfactual", {**ASKED, "parameters": {"immutable": ["volume"]}}, 400, "no feature 'volume'"),
        ("decision-tree", {"model": "tiny", "max_depth": 99}, 422, "max_depth"),
        ("decision-tree", {"model": "tiny", "output": "price.1_year"}, 400, "no output 'price.1_year'"),
    ],
)
def test_bad_questions_name_the_value(
    client: httpx.Client, path: str, body: dict[str, Any], status: int, told: str
) -> None:
    answer = client.post(f"{BASE}/{path}", json=body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert told in f"{error['message']} {error['details']}"


def test_explaining_needs_a_token_with_the_scope(gateway: ProductApi) -> None:
    assert httpx.post(f"{gateway.url}{BASE}/shap", json=ASKED, trust_env=False).status_code == 401
    with gateway.client("app", scopes=["predict"]) as narrow:
        assert narrow.post(f"{BASE}/shap", json=ASKED).status_code == 403


def test_the_endpoints_stand_in_the_description_with_examples(gateway: ProductApi) -> None:
    paths = httpx.get(f"{gateway.url}/openapi.json", trust_env=False).json()
    for path in ("shap", "lime", "counterfactual", "decision-tree"):
        assert "post" in paths["paths"][f"{BASE}/{path}"]
    assert "get" in paths["paths"][f"{BASE}/feature-importance"]
    assert paths["components"]["schemas"]["LocalQuestion"]["examples"]
