"""Documents through a real gateway: kept once, named by single, batch and GET requests, explained, logged, erased."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from components.errors import InvalidRequest
from components.records.database import Database
from components.records.tables import ml_predictions
from pipelines.product import ProductClient
from tests.support.basket import make_basket_artifact
from tests.support.gateway import ProductApi, product_api
from tests.support.predictor import Predictor, predictor
from tests.support.records import database, postgres_server  # noqa: F401
from tests.support.surroundings import Server, server

pytestmark = pytest.mark.slow
ROUTE, DOCUMENTS, EXPLAIN = "/api/ml/lab/basket", "/api/v1/ml/documents/basket", "/api/v1/ml/explain"
HOLDINGS = [{"security_id": "A", "weight": 0.4}, {"security_id": "DDDD", "weight": 0.6}]
TERMS = {"leverage": 2.0, "days": 63.0}
WHOLE = {"holdings": HOLDINGS, "terms": TERMS}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_basket_artifact(tmp_path_factory.mktemp("basket") / "artifact").directory


@pytest.fixture(scope="module")
def model(artifact: Path) -> Iterator[Predictor]:
    with predictor(artifact, "--model_version", "1") as running:
        yield running


@pytest.fixture(scope="module")
def explainer(artifact: Path, model: Predictor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    known = ("--artifact", artifact, "--model_name", "basket", "--predictor_host", f"127.0.0.1:{model.port}")
    with server("explainer", tmp_path_factory.mktemp("logs"), *known) as running:
        yield running


@pytest.fixture(scope="module")
def api(model: Predictor, explainer: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductApi]:
    models = {"basket": {"url": model.url, "explain_url": explainer.url}}
    with product_api(tmp_path_factory.mktemp("gateway"), models) as running:
        yield running


@pytest.fixture
def app(api: ProductApi) -> Iterator[httpx.Client]:
    with api.client("app") as client:
        yield client


def data(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()["data"]
    return told


def refusal(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.json()["error"]
    return told


def test_a_request_names_what_it_would_carry(app: httpx.Client) -> None:
    told = data(app.put(f"{DOCUMENTS}/b-1", json=WHOLE))
    assert (told["parts"], told["models"]) == (["holdings", "terms"], ["basket"])
    named = data(app.post(ROUTE, json={"basket_id": "b-1"}))
    carried = data(app.post(ROUTE, json=WHOLE))
    assert named == carried
    assert data(app.get(ROUTE, params={"basket_id": "b-1"})) == carried
    [one, other] = data(
        app.post(
            "/api/ml/batch/predict",
            json={"requests": [{"type": "basket", "basket_id": "b-1"}, {"type": "basket", "basket_id": "none"}]},
        )
    )["results"]
    assert one["data"] == carried
    assert (other["status"], other["error"]["code"]) == ("error", "DOCUMENT_NOT_FOUND")


def test_a_changed_document_gives_a_new_answer_and_an_unchanged_one_the_cached(app: httpx.Client) -> None:
    asked = {"basket_id": "b-2"}
    app.put(f"{DOCUMENTS}/b-2", json=WHOLE)
    first, again = (app.post(ROUTE, json=asked).json() for _ in range(2))
    assert again["metadata"]["cached"] is True
    app.put(f"{DOCUMENTS}/b-2", json={**WHOLE, "terms": {**TERMS, "leverage": 1.0}})
    changed = app.post(ROUTE, json=asked).json()
    assert changed["metadata"]["cached"] is False
    assert changed["data"]["risk"] == pytest.approx(first["data"]["risk"] / 2)


def test_a_document_is_shown_deleted_and_not_found(app: httpx.Client) -> None:
    path = f"{DOCUMENTS}/b-3"
    put = [data(app.put(path, json={"user_id": "u-1", **WHOLE})) for _ in range(2)]
    assert put[0]["created_at"] == put[1]["created_at"]
    shown = data(app.get(path))
    assert shown["document"] == WHOLE, "and not whose it is"
    assert [data(app.delete(path))["deleted"] for _ in range(2)] == [True, False]
    assert refusal(app.get(path), 404)["code"] == "DOCUMENT_NOT_FOUND"
    missing = refusal(app.post(ROUTE, json={"basket_id": "b-3"}), 404)
    assert "PUT it to /api/v1/ml/documents/basket/" in missing["details"]["remedy"]


def test_what_cannot_be_kept_is_said(app: httpx.Client) -> None:
    unknown = refusal(app.put(f"{DOCUMENTS}/b-4", json={"holding": HOLDINGS}), 422)
    assert unknown["details"]["remedy"] == "Send some of holdings, terms."
    wrong = refusal(app.put(f"{DOCUMENTS}/b-4", json={"holdings": [{"security_id": "A", "weight": 7}]}), 422)
    assert wrong["details"]["errors"][0]["field"] == "holdings.0.weight"
    large = [{"security_id": "A" * 20, "weight": 0.1}] * 25_000
    assert refusal(app.put(f"{DOCUMENTS}/b-4", json={"holdings": large}), 413)["code"] == "DOCUMENT_TOO_LARGE"
    assert refusal(app.put("/api/v1/ml/documents/yacht/1", json=WHOLE), 404)["code"] == "UNKNOWN_DOCUMENT_TYPE"
    assert refusal(app.get(f"{DOCUMENTS}/b-4"), 404)
    assert refusal(app.put(f"{DOCUMENTS}/b-4", content=b"[]"), 422)


def test_a_document_is_its_callers(api: ProductApi, app: httpx.Client) -> None:
    app.put(f"{DOCUMENTS}/b-5", json=WHOLE)
    with api.client("app", subject="somebody else") as other:
        assert refusal(other.get(f"{DOCUMENTS}/b-5"), 404)
        assert refusal(other.put(f"{DOCUMENTS}/b-5", json=WHOLE), 409)["code"] == "DOCUMENT_TAKEN"
        assert data(other.delete(f"{DOCUMENTS}/b-5"))["deleted"] is False
        assert refusal(other.post(ROUTE, json={"basket_id": "b-5"}), 404)
        asked = {"model": "basket", "request": {"basket_id": "b-5"}}
        assert refusal(other.post(f"{EXPLAIN}/shap", json=asked), 404)
    with api.client("data_scientist") as reader:
        assert refusal(reader.put(f"{DOCUMENTS}/b-6", json=WHOLE), 403)["code"] == "FORBIDDEN"
    with api.client("admin", subject="auditor") as auditor:
        assert data(auditor.get(f"{DOCUMENTS}/b-5"))["document"] == WHOLE
    assert data(app.get(f"{DOCUMENTS}/b-5"))["document"] == WHOLE


def test_the_client_keeps_and_asks(api: ProductApi) -> None:
    client = ProductClient(api.url, api.home)
    assert client.keep("basket", "of a client", WHOLE, "u-9")["parts"] == ["holdings", "terms"]
    assert client.kept("basket", "of a client") == WHOLE
    assert client.post(ROUTE, {"basket_id": "of a client"})["data"]["parts"]
    with pytest.raises(InvalidRequest, match="'nope' of yours is kept"):
        client.kept("basket", "nope")


def test_a_named_prediction_is_explained_by_its_parts(app: httpx.Client) -> None:
    app.put(f"{DOCUMENTS}/b-7", json=WHOLE)
    answer = app.post(ROUTE, json={"basket_id": "b-7"}).json()
    told = data(app.post(f"{EXPLAIN}/shap", json={"model": "basket", "request": {"basket_id": "b-7"}}))
    assert told["method"] == "decomposition"
    assert told["prediction"] == pytest.approx(answer["data"]["risk"])
    assert {c["feature"]: c["contribution"] for c in told["contributions"]} == pytest.approx(answer["data"]["parts"])
    assert [c["given"] for c in told["contributions"]] == [{"weights": 0.6}, {"weights": 0.4}]
    assert told["base_value"] == 0.0
    assert told["additivity"]["holds"]
    assert told["top_factors"][0].startswith("DDDD raises risk by ")


def test_a_logged_prediction_is_explained_by_what_it_was_made_of(api: ProductApi, app: httpx.Client) -> None:
    app.put(f"{DOCUMENTS}/b-8", json=WHOLE)
    answer = app.post(ROUTE, json={"basket_id": "b-8"}).json()
    row = logged(api, answer["metadata"]["prediction_id"])
    app.put(f"{DOCUMENTS}/b-8", json={"holdings": [{"security_id": "BB", "weight": 1.0}]})
    asked = {"prediction_id": row["prediction_id"], "parameters": {"kind": "decomposition"}}
    told = data(app.post(f"{EXPLAIN}/shap", json=asked))
    assert told["prediction"] == pytest.approx(answer["data"]["risk"])
    assert told["stored"] is True
    kept = logged(api, row["prediction_id"])
    assert kept["shap_values"] is None, "these are no Shapley values"
    assert set(kept["feature_importance"]["shares"]) == {"A", "DDDD"}


def test_how_an_answer_moves_is_told_where_slopes_are(app: httpx.Client) -> None:
    asked = {"model": "basket", "request": WHOLE, "parameters": {"kind": "sensitivity", "step": 0.05}}
    told = data(app.post(f"{EXPLAIN}/lime", json=asked))
    assert told["method"] == "sensitivity"
    found = {c["feature"]: c for c in told["contributions"]}
    assert found["leverage"]["elasticity"] == pytest.approx(1.0)
    assert found["days"]["elasticity"] == pytest.approx(0.5, rel=1e-3)
    assert found["leverage"]["slope"] == pytest.approx(told["prediction"] / 2.0)
    assert told["additivity"] is None
    assert " more leverage would raise risk by " in " ".join(told["top_factors"])
    assert told["details"]["held"] == ["holdings", "weights", "correlations"]


def test_the_other_kinds_answer_for_a_basket_too(app: httpx.Client) -> None:
    shap = {"model": "basket", "request": WHOLE, "parameters": {"kind": "permutation_shap"}}
    assert {c["feature"] for c in data(app.post(f"{EXPLAIN}/shap", json=shap))["contributions"]} == {"leverage", "days"}
    assert data(app.post(f"{EXPLAIN}/lime", json={"model": "basket", "request": WHOLE}))["method"] == "lime_tabular"
    lower = {"model": "basket", "request": WHOLE, "parameters": {"at_most": 0.05}}
    [first, *_] = data(app.post(f"{EXPLAIN}/counterfactual", json=lower))["counterfactuals"]
    assert first["instance"]["holdings"] == ["A", "DDDD"]
    again = app.post(f"{EXPLAIN}/shap", json={"model": "basket", "instance": first["instance"]})
    assert data(again)["prediction"] == pytest.approx(first["prediction"])
    path = f"{EXPLAIN}/feature-importance?model=basket&rows=8&repeats=2"
    answer = app.get(path)
    while answer.status_code == 503:
        time.sleep(int(answer.headers["retry-after"]))
        answer = app.get(path)
    assert {f["feature"] for f in data(answer)["importance"]} == {"leverage", "days"}


def test_parts_that_do_not_add_up_are_our_defect(app: httpx.Client) -> None:
    liar = {**WHOLE, "holdings": [{"security_id": "LIAR", "weight": 1.0}]}
    told = refusal(app.post(f"{EXPLAIN}/shap", json={"model": "basket", "request": liar}), 502)
    assert "'parts' add up to" in told["message"]
    assert "its risk is" in told["message"]


def logged(api: ProductApi, prediction_id: str) -> dict[str, Any]:
    records = Database(f"sqlite:///{api.home / 'records.db'}")
    try:
        return found_in(records, prediction_id)
    finally:
        records.close()


def found_in(records: Database, prediction_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with records.read() as connection:
            query = select(ml_predictions).where(ml_predictions.c.prediction_id == prediction_id)
            row = connection.execute(query).mappings().one_or_none()
        if row is not None:
            return dict(row)
        time.sleep(0.1)
    raise AssertionError(f"{prediction_id} never reached the log")


def test_the_log_and_erasure_on_both_databases(model: Predictor, tmp_path: Path, database: Database) -> None:  # noqa: F811
    environment = {"ARTHAFLOW_DATABASE_URL": database.url.render_as_string(hide_password=False)}
    with (
        product_api(tmp_path, {"basket": {"url": model.url}}, environment) as api,
        api.client("app") as app,
        api.client("admin") as admin,
    ):
        app.put(f"{DOCUMENTS}/b-1", json={"user_id": "sunita", **WHOLE})
        answer = app.post(ROUTE, json={"basket_id": "b-1"}).json()
        row = found_in(database, answer["metadata"]["prediction_id"])
        told = row["input_features"]
        assert told["request"] == {"basket_id": "b-1", "user_id": "", **WHOLE}, "the log has what was used"
        assert told["document"]["parts"] == ["holdings", "terms"]
        assert row["user_pseudonym"], "it is the data of whose the document is"
        assert refusal(app.post(ROUTE, json={"basket_id": "b-1", "user_id": "ravi"}), 404)
        report = data(admin.post("/api/v1/ml/audit/erasure", json={"user_id": "sunita", "reason": "asked"}))
        assert (report["documents"], report["predictions"]) == (1, 1)
        assert report["cached"] == 1
        assert refusal(app.get(f"{DOCUMENTS}/b-1"), 404)
        assert found_in(database, row["prediction_id"])["input_features"] is None
