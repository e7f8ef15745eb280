"""Every model that applications can ask, trained by its graph and asked through the gateway with its document's example."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from components.catalog import catalogue, get_product, get_spec
from components.models.product import ProductSpec, Served
from components.registry.artifact import read_artifact
from inference.gateway.identity.local_issuer import LocalIssuer
from inference.local import LocalServing
from pipelines.result import RunResult
from pipelines.stack import Stack

pytestmark = pytest.mark.slow
ASKED = sorted(name for name in catalogue() if get_product(name) is not None)
ENTITY, AS_OF = "SP500", "2018-12-28T21:00:00Z"
"""What is known of the embedded prices: a request about another exchange's security stands for it."""


def product_of(name: str) -> ProductSpec:
    found = get_product(name)
    assert found is not None
    return found


def example(name: str) -> dict[str, Any]:
    """The document's example; where it names a security whose features the embedded data lack, one that it has."""
    extra: Any = product_of(name).request.model_config["json_schema_extra"]
    body = dict(extra["examples"][0])
    if get_spec(name).feature_service:
        body |= {"security_id": ENTITY, "as_of": AS_OF}
    return body


@pytest.fixture(scope="module")
def api(trained: Callable[[str], RunResult], trained_home: Path) -> Iterator[httpx.Client]:
    """A gateway before every model; predictors and, where features are looked up, transformers behind it."""
    serving = LocalServing(trained_home)
    try:
        for name in ASKED:
            Stack(serving, get_spec(name)).start("1", trained(name).artifact, only=("transformer",))
        gateway = Stack(serving, get_spec(ASKED[0])).open(0)
        issuer = LocalIssuer(trained_home)
        issuer.ensure()
        headers = {"authorization": f"Bearer {issuer.token('tester', 'app', 'premium')}"}
        with httpx.Client(base_url=gateway.url, headers=headers, timeout=60.0, trust_env=False) as client:
            yield client
    finally:
        serving.stop_all()


@pytest.mark.parametrize("name", ASKED)
def test_the_documents_example_is_answered_in_the_documents_shape(api: httpx.Client, name: str) -> None:
    product = product_of(name)
    for route in product.routes:
        answer = api.request(route.method, route.path, json=example(name))
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert told["status"] == "success"
        product.response.model_validate(told["data"])
        assert told["metadata"]["model_version"] == "1"
        assert told["metadata"]["disclaimers"] == list(get_spec(name).disclaimers)
        confidence = told["metadata"].get("confidence")
        assert confidence is None or 0 <= confidence <= 1


@pytest.mark.parametrize("name", [n for n in ASKED if not get_spec(n).feature_service])
def test_offline_and_asked_give_the_same_answer(
    api: httpx.Client, trained: Callable[[str], RunResult], name: str
) -> None:
    product, spec = product_of(name), get_spec(name)
    told = api.post(product.routes[0].path, json=example(name)).json()
    moment = told["metadata"]["generated_at"]
    artifact = read_artifact(trained(name).artifact)
    inputs = dict(product.to_inputs(product.request.model_validate(example(name)), datetime.fromisoformat(moment)))
    rows = len(next(iter(inputs.values())))
    inputs |= {t.name: t.absent(rows) for t in artifact.input_schema.tensors if t.name not in inputs}
    columns = {t.name: t.column_names for t in artifact.output_schema.tensors}
    served = Served(artifact.load_model(spec).predict(inputs), {}, columns, "1", moment, spec.disclaimers)
    offline = product.to_response(product.request.model_validate(example(name)), served).model_dump(
        mode="json", exclude_none=True
    )
    assert_alike(told["data"], offline)


def assert_alike(got: Any, want: Any, path: str = "") -> None:
    """Same structure and words, numbers up to what JSON and the binary protocol may round."""
    if isinstance(want, dict):
        assert got.keys() == want.keys(), path
        for key in want.keys() - {"generated_at", "timestamp"}:
            assert_alike(got[key], want[key], f"{path}.{key}")
    elif isinstance(want, list):
        assert len(got) == len(want), path
        for i, (one, other) in enumerate(zip(got, want, strict=True)):
            assert_alike(one, other, f"{path}[{i}]")
    elif isinstance(want, float):
        assert got == pytest.approx(want, rel=1e-6, abs=1e-9), path
    else:
        assert got == want, path


@pytest.mark.parametrize("name", [n for n in ASKED if product_of(n).kept is not None])
def test_a_document_that_is_kept_stands_for_the_blocks(api: httpx.Client, name: str) -> None:
    product = product_of(name)
    kept = product.kept
    assert kept is not None
    body = example(name)
    parts = {k: v for k, v in body.items() if k in kept.shape.model_fields and v is not None}
    rest = {k: v for k, v in body.items() if k not in parts and k != kept.id_field}
    subject = str(uuid4())
    absent = api.post(product.routes[0].path, json={**rest, kept.id_field: subject})
    assert absent.status_code == 404, absent.text
    stored = api.put(f"/api/v1/ml/documents/{kept.entity_type}/{subject}", json=parts)
    assert stored.status_code in (200, 201), stored.text
    by_name = api.post(product.routes[0].path, json={**rest, kept.id_field: subject})
    assert by_name.status_code == 200, by_name.text
    inline = api.post(product.routes[0].path, json={**rest, **parts})
    shown = {k: v for k, v in by_name.json()["data"].items() if k not in ("generated_at", kept.id_field)}
    assert shown == {k: v for k, v in inline.json()["data"].items() if k not in ("generated_at", kept.id_field)}


def test_the_batch_answers_for_every_model(api: httpx.Client) -> None:
    requests = [{"type": product_of(name).batch_type, **example(name)} for name in ASKED]
    answer = api.post("/api/ml/batch/predict", json={"requests": requests})
    assert answer.status_code == 200, answer.text
    results = answer.json()["data"]["results"]
    assert [r["status"] for r in results] == ["success"] * len(ASKED), results
    for name, result in zip(ASKED, results, strict=True):
        product_of(name).response.model_validate(result["data"])
