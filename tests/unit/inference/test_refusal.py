"""What a model's server refused reads once in the product's words, with its path and its remedy."""

from __future__ import annotations

import orjson

from components.errors import FeatureUnavailable, InvalidRequest, MissingValue
from inference.gateway.product.refusal import PredictionFailed, refusal


def test_the_path_stands_once_before_the_sentence() -> None:
    told = {"error": "weight: the weights add up to 0.7", "remedy": "Send shares.", "path": "weight"}
    error = refusal(400, orjson.dumps(told))
    assert type(error) is InvalidRequest
    assert error.problem == "weight: the weights add up to 0.7"
    assert (error.path, error.remedy) == ("weight", "Send shares.")


def test_kinds_by_status() -> None:
    missing = orjson.dumps({"error": "required input 'weight' is required", "path": "weight"})
    assert isinstance(refusal(422, missing), MissingValue)
    assert isinstance(refusal(404, b'{"error": "no features"}'), FeatureUnavailable)
    failed = refusal(500, b"not json")
    assert isinstance(failed, PredictionFailed)
    assert failed.problem == "The model answered with status 500."
