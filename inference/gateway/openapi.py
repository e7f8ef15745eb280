"""What FastAPI's OpenAPI document leaves out: headers of answers, operations that need no token, what tags mean."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from inference.gateway.identity.routes import is_public

TAGS = {
    "predictions": "Ask models, one question or many at once.",
    "explanations": "Why a model answered as it did, and what it listens to.",
    "models": "Versions of models: look, register, deploy, retire, how good they are.",
    "features": "What models are told: definitions, values, freshness, importance.",
    "training": "Jobs of every kind: start, follow, cancel.",
    "automl": "Search hyper-parameters; let the best be trained and judged.",
    "experiments": "A/B tests: plan, create, report, decide.",
    "outcomes": "What really happened, joined with what was predicted.",
    "monitoring": "Speed, errors, drift and alerts.",
    "analytics": "Usage and costs.",
    "audit": "The audit trail; from the admin networks only.",
    "admin": "Deployment as document 3 has it; from the admin networks only.",
    "about": "What there is.",
}


def header(description: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    """Return a response header that is always there."""
    return {"description": description, "required": True, "schema": {"type": kind, **more}}


AGAIN = {"Retry-After": header("Seconds after which to ask again.", "integer", minimum=1)}
CHALLENGE = {"WWW-Authenticate": header("How to authenticate (RFC 6750).")}
LOCATION = {"Location": header("Where to look at what was made, or at the job that was accepted.")}
IDENTITY = {"X-Request-ID": header("The request's own id, or the one that it was given; name it when reporting.")}


def complete(app: FastAPI) -> None:
    """Let the application's document tell these things too."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        if "tags" not in document:
            document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
            for method, path, operation in operations(document):
                _finish(method, path, operation)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method (upper case), path and operation of a document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _finish(method: str, path: str, operation: dict[str, Any]) -> None:
    if is_public(method, path):
        operation["security"] = []
        for status in ("401", "403"):
            operation["responses"].pop(status, None)
    for status, response in operation["responses"].items():
        headers = dict(IDENTITY)
        if status in ("201", "202"):
            headers |= LOCATION
        elif status == "401":
            headers |= CHALLENGE
        elif status in ("429", "503"):
            headers |= AGAIN
        response["headers"] = {**headers, **response.get("headers", {})}
