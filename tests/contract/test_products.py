"""Every model that applications can ask: its examples fit its shapes, its tensors its schema, and it imports little."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from components.catalog import catalogue, get_product
from components.models.product import ProductSpec
from inference.feature_request import ENTITY, TIMESTAMP
from inference.gateway.product.documents import ENDPOINTS
from inference.gateway.product.products import Products

ROOT = Path(__file__).parents[2]
ASKED = sorted(name for name in catalogue() if get_product(name) is not None)
HEAVY = {
    "pandas",
    "mlflow",
    "feast",
    "kfp",
    "kserve",
    "torch",
    "tensorflow",
    "sklearn",
    "xgboost",
    "onnxruntime",
    "pipelines",
}


def product_of(name: str) -> ProductSpec:
    found = get_product(name)
    assert found is not None
    return found


def test_the_price_forecast_can_be_asked() -> None:
    assert "price_forecast" in ASKED


@pytest.mark.parametrize("name", ASKED)
def test_examples_fit_their_shapes(name: str) -> None:
    product = product_of(name)
    for shape in (product.request, product.response):
        extra = shape.model_config["json_schema_extra"]
        assert isinstance(extra, dict)
        examples = extra["examples"]
        assert isinstance(examples, list)
        assert examples, f"{shape.__name__} has no example"
        for example in examples:
            shape.model_validate(example)


@pytest.mark.parametrize("name", ASKED)
def test_a_request_becomes_tensors_that_the_model_takes(name: str) -> None:
    product, spec = product_of(name), catalogue()[name]
    extra = product.request.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    request = product.request.model_validate(extra["examples"][0])  # type: ignore[index]
    made = product.to_inputs(request, datetime(2026, 1, 1, tzinfo=UTC))
    if set(made) == {ENTITY, TIMESTAMP}:
        assert spec.feature_service, "an entity and a time need a feature service that looks the rest up"
        return
    schema = spec.load_model_class()().input_schema
    rows = len(next(iter(made.values())))
    left_out = {tensor.name: tensor.absent(rows) for tensor in schema.tensors if tensor.optional}
    schema.validate({**left_out, **made})
    assert set(made) <= {tensor.name for tensor in schema.tensors}


def shapes(shape: type[BaseModel], found: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """A model's response and every shape within it."""
    if shape not in found:
        found.add(shape)
        for field in shape.model_fields.values():
            pending = [field.annotation]
            while pending:
                kind = pending.pop()
                if isinstance(kind, type) and issubclass(kind, BaseModel):
                    shapes(kind, found)
                pending += get_args(kind)
    return found


@pytest.mark.parametrize("name", ASKED)
def test_what_may_be_absent_has_a_default(name: str) -> None:
    """The gateway leaves out what is None: the document's shape must take the answer without it."""
    wanting = [
        f"{shape.__name__}.{field}"
        for shape in shapes(product_of(name).response, set())
        for field, info in shape.model_fields.items()
        if info.is_required() and type(None) in get_args(info.annotation)
    ]
    assert not wanting


@pytest.mark.parametrize("name", ASKED)
def test_a_prediction_is_about_something(name: str) -> None:
    product = product_of(name)
    extra = product.request.model_config["json_schema_extra"]
    assert isinstance(extra, dict)
    subject = product.subject(product.request.model_validate(extra["examples"][0]))  # type: ignore[index]
    assert subject.entity_type in {"instrument", "portfolio", "user", "goal", "strategy", "market"}
    assert subject.entity_id


def test_documented_routes_are_claimed_by_no_two_models() -> None:
    claimed = Products().by_route
    documented = {(e.method, e.path) for e in ENDPOINTS}
    assert ("POST", "/api/ml/predictions/price") in documented & set(claimed)


def test_the_gateway_imports_nothing_that_trains_or_serves() -> None:
    code = (
        "import sys, inference.gateway.server, inference.gateway.description as d; d.describe(); "
        f"print(sorted({HEAVY} & set(sys.modules)))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip() == "[]"
