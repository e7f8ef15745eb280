"""What FastAPI's OpenAPI document leaves out: headers of answers, operations that need no token, what tags mean.

Refusals are the same everywhere, so they stand in the document once: written out they would be most of its megabyte.
"""

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
    "documents": "What requests may name by an id instead of carrying it.",
    "outcomes": "What really happened, joined with what was predicted.",
    "monitoring": "Speed, errors, drift and alerts.",
    "analytics": "Usage and costs.",
    "audit": "The audit trail; from the admin networks only.",
    "admin": "Deployment as document 3 has it; from the admin networks only.",
    "about": "What there is.",
}


def header(description: str, kind: str = "string", *, always: bool = True, **more: Any) -> dict[str, Any]:
    """Return the description of a response header."""
    return {"description": description, "required": always, "schema": {"type": kind, **more}}


HEADERS = {
    "X-Request-ID": header("The request's own id, or the one that it was given; name it when reporting."),
    "RateLimit-Limit": header("Requests per hour; absent where there is no limit.", "integer", always=False, minimum=1),
    "RateLimit-Remaining": header("Requests that are left.", "integer", always=False, minimum=0),
    "RateLimit-Reset": header("Seconds until some come back.", "integer", always=False, minimum=0),
    "Retry-After": header("Seconds after which to ask again.", "integer", minimum=1),
    "WWW-Authenticate": header("How to authenticate (RFC 6750)."),
    "Location": header("Where to look at what was made, or at the job that was accepted."),
}
EVERYWHERE = ("X-Request-ID", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
SOMEWHERE = {
    "201": ("Location",),
    "202": ("Location",),
    "401": ("WWW-Authenticate",),
    "429": ("Retry-After",),
    "503": ("Retry-After",),
}


def complete(app: FastAPI) -> None:
    """Let the application's document tell these things too."""
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        document = plain()
        if "tags" not in document:
            document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
            document["components"]["headers"] = HEADERS
            shared = document["components"].setdefault("responses", {})
            for method, path, operation in operations(document):
                _finish(method, path, operation, shared)
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield method (upper case), path and operation of a document."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _finish(method: str, path: str, operation: dict[str, Any], shared: dict[str, Any]) -> None:
    responses = operation["responses"]
    if is_public(method, path):
        operation["security"] = []
        for status in ("401", "403"):
            responses.pop(status, None)
    for status, response in responses.items():
        names = (*EVERYWHERE, *SOMEWHERE.get(status, ()))
        told = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        response["headers"] = {**told, **response.get("headers", {})}
        if status[0] in "45" and shared.setdefault(f"Refusal{status}", response) == response:
            responses[status] = {"$ref": f"#/components/responses/Refusal{status}"}
