"""The OpenAPI document of the product API is complete: what every operation must tell, and that its examples are true."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import jsonschema_rs
import pytest
from fastapi.routing import APIRoute
from schemathesis.specs.openapi.definitions import OPENAPI_31

from components.catalog import catalogue, get_product
from components.wire import Payload
from inference.gateway.app import routers
from inference.gateway.description import describe
from inference.gateway.identity.routes import is_admin, is_public
from inference.gateway.json_route import JsonRoute
from inference.gateway.openapi import TAGS, operations

PUBLIC = {("GET", "/api")}
"""Operations that need no token."""
PAGED = {"limit", "cursor"}


@lru_cache(maxsize=1)
def document() -> dict[str, Any]:
    return describe()


def named() -> list[Any]:
    return [pytest.param(m, p, o, id=f"{m} {p}") for m, p, o in operations(document())]


def resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def answers(operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return an operation's responses, those that are shared among them."""
    shared = document()["components"]["responses"]
    found = {
        status: shared[r["$ref"].rsplit("/", 1)[-1]] if "$ref" in r else r
        for status, r in operation["responses"].items()
    }
    assert all(f"Refusal{status}" in shared for status in found if status[0] in "45")
    return found


def alternatives(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield resolved(schema)
    for each in schema.get("anyOf", ()):
        yield resolved(each)


def examples(operation: Mapping[str, Any]) -> list[Any]:
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return [example for each in alternatives(schema) for example in each.get("examples", ())]


def test_the_document_is_openapi_3_1_and_no_larger_than_it_must_be() -> None:
    assert len(json.dumps(document())) < 400_000
    assert document()["openapi"].startswith("3.1")
    jsonschema_rs.validator_for(OPENAPI_31).validate(document())


@pytest.mark.parametrize(("method", "path", "operation"), named())
def test_an_operation_says_what_it_is(method: str, path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"].strip()
    assert operation["description"].strip()
    assert len(operation["tags"]) == 1
    assert operation["tags"][0] in TAGS
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", operation["operationId"])


def test_operation_ids_are_unique_and_every_tag_is_used() -> None:
    counts = Counter(operation["operationId"] for _, _, operation in operations(document()))
    assert set(counts.values()) == {1}
    assert [tag["name"] for tag in document()["tags"]] == list(TAGS)
    assert {operation["tags"][0] for _, _, operation in operations(document())} == set(TAGS)


@pytest.mark.parametrize(("method", "path", "operation"), named())
def test_an_operation_says_who_may(method: str, path: str, operation: dict[str, Any]) -> None:
    assert ((method, path) in PUBLIC) == is_public(method, path) == (operation["security"] == [])
    if operation["security"]:
        [needed] = operation["security"]
        assert len(needed["bearer"]) == 1, "one scope"
        assert {"401", "403"} <= set(operation["responses"])
    assert is_admin(path) == (operation["tags"][0] in ("admin", "audit"))


@pytest.mark.parametrize(("method", "path", "operation"), named())
def test_an_operation_says_how_it_answers(method: str, path: str, operation: dict[str, Any]) -> None:
    responses = answers(operation)
    [success] = [status for status in responses if status.startswith("2")]
    [(kind, content)] = responses[success]["content"].items()
    if kind == "application/json":
        schema = resolved(content["schema"])
        assert set(schema["properties"]) == {"status", "data", "metadata"}
    for status, response in responses.items():
        assert "X-Request-ID" in response["headers"]
        if status.startswith(("4", "5")):
            assert set(response["content"]) == {"application/json", "application/problem+json"}
            assert resolved(response["content"]["application/json"]["schema"])["title"] == "ErrorEnvelope"
    assert ("Location" in responses[success]["headers"]) == (success in ("201", "202"))
    assert "Retry-After" in responses["429"]["headers"]
    assert "Retry-After" in responses["503"]["headers"]


@pytest.mark.parametrize(("method", "path", "operation"), [p for p in named() if "requestBody" in p.values[2]])
def test_a_body_has_examples_that_its_schema_takes(method: str, path: str, operation: dict[str, Any]) -> None:
    found = examples(operation)
    assert found
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    whole = {**schema, "components": document()["components"]}
    validator = jsonschema_rs.Draft202012Validator(whole, validate_formats=True)
    for example in found:
        validator.validate(example)


def route_models() -> Iterator[tuple[str, Any]]:
    for router in routers():
        for route in router.routes:
            if isinstance(route, APIRoute) and route.body_field is not None:
                yield route.path, route.body_field.field_info.annotation


@pytest.mark.parametrize(
    ("path", "annotation"), [pytest.param(p, a, id=f"{p} {i}") for i, (p, a) in enumerate(route_models())]
)
def test_a_body_is_taken_literally(path: str, annotation: Any) -> None:
    """Its examples pass the model that really reads them, which takes no number for a text and no unknown field."""
    kinds = [kind for kind in getattr(annotation, "__args__", (annotation,)) if kind is not type(None)]
    for kind in kinds:
        assert issubclass(kind, Payload)
        for example in kind.model_config["json_schema_extra"]["examples"]:
            kind.model_validate(example)


def test_every_models_request_is_taken_literally() -> None:
    products = [product for product in map(get_product, catalogue()) if product is not None]
    assert products
    for product in products:
        assert issubclass(product.request, Payload)
        for example in product.request.model_config["json_schema_extra"]["examples"]:  # type: ignore[index, call-overload]
            product.request.model_validate(example)
        for example in product.response.model_config["json_schema_extra"]["examples"]:  # type: ignore[index, call-overload]
            product.response.model_validate(example)


def test_every_route_reads_json_as_its_standard_has_it() -> None:
    routes = [
        route for router in routers() for route in router.routes if isinstance(route, APIRoute) and route.body_field
    ]
    assert routes
    assert all(isinstance(route, JsonRoute) for route in routes)


@pytest.mark.parametrize(("method", "path", "operation"), named())
def test_parameters_are_bounded(method: str, path: str, operation: dict[str, Any]) -> None:
    """Columns have widths, and pages a largest size."""
    for parameter in operation.get("parameters", ()):
        for kind in alternatives(parameter["schema"]):
            if kind.get("type") == "string" and not {"enum", "const", "format"} & set(kind):
                assert kind.get("maxLength", 10_000) <= 1000, parameter["name"]
            if kind.get("type") in ("integer", "number"):
                assert "maximum" in kind or "exclusiveMaximum" in kind, parameter["name"]
        if parameter["in"] == "path":
            assert parameter["schema"].get("examples"), parameter["name"]


@pytest.mark.parametrize(("method", "path", "operation"), named())
def test_lists_are_paged_alike(method: str, path: str, operation: dict[str, Any]) -> None:
    content = next(r for s, r in answers(operation).items() if s.startswith("2"))["content"]
    names = {p["name"] for p in operation.get("parameters", ())}
    schema = resolved(content.get("application/json", {}).get("schema", {}))
    data = resolved(schema.get("properties", {}).get("data", {}))
    assert ("next_cursor" in data.get("properties", {})) == (names >= PAGED) == bool(names & PAGED)
    if names >= PAGED:
        limit = next(p["schema"] for p in operation["parameters"] if p["name"] == "limit")
        assert (limit["default"], limit["minimum"], limit["maximum"]) == (50, 1, 500)


def strings(
    schema: Mapping[str, Any], path: str, seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every text, number and list of a request's schema."""
    if "$ref" in schema:
        if schema["$ref"] in seen:
            return
        seen |= {schema["$ref"]}
        schema = resolved(schema)
    for name in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(name, ()):
            yield from strings(each, path, seen)
    for name, each in schema.get("properties", {}).items():
        yield from strings(each, f"{path}.{name}", seen)
    if isinstance(schema.get("items"), dict):
        yield from strings(schema["items"], f"{path}[]", seen)
    if isinstance(schema.get("additionalProperties"), dict):
        yield from strings(schema["additionalProperties"], f"{path}.*", seen)
    yield path, schema


@pytest.mark.parametrize(("method", "path", "operation"), [p for p in named() if "requestBody" in p.values[2]])
def test_every_text_and_list_of_a_body_is_bounded(method: str, path: str, operation: dict[str, Any]) -> None:
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    for where, schema in strings(body, "body"):
        if schema.get("type") == "string" and not {"enum", "const", "format"} & set(schema):
            assert "maxLength" in schema or "{" in schema.get("pattern", ""), where
        if schema.get("type") == "array":
            assert "maxItems" in schema, where
        if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
            assert "maxProperties" in schema or "propertyNames" in schema, where
