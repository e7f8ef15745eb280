"""What a model's server refused, as the product's applications are told."""

from __future__ import annotations

import orjson

from components.errors import ArthaflowError, FeatureUnavailable, InvalidRequest, MissingValue


class PredictionFailed(ArthaflowError):
    """A model's server answered with an error of its own, or with what is no answer."""

    status = 502
    code = "ML_PREDICTION_FAILED"


def refusal(status: int, body: bytes) -> ArthaflowError:
    """Return what a model's server refused, as an error of the product: a wrong request stays the client's."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        told = {}
    told = told if isinstance(told, dict) else {}
    problem = str(told.get("error") or f"The model answered with status {status}.")
    remedy = str(told.get("remedy", ""))
    if status in (400, 422):
        missing = "missing" in told or "is required" in problem
        path = str(told.get("path", ""))
        # The server's sentence begins with the path already, and so does that of the error that is made of it.
        return (MissingValue if missing else InvalidRequest)(problem.removeprefix(f"{path}: "), remedy, path)
    if status == 404:
        return FeatureUnavailable(problem, remedy)
    return PredictionFailed(problem, remedy or "Report it with the request id.")
