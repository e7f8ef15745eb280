"""The product API as a FastAPI application: every router of :mod:`inference.gateway.api`, every model's routes."""

from __future__ import annotations

import pkgutil
from http import HTTPStatus
from importlib import import_module
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException

from components.errors import ArthaflowError, InvalidRequest
from inference.gateway import api, pages
from inference.gateway.allowed import AllowedMethods
from inference.gateway.door import InternalError
from inference.gateway.envelope import PROBLEM, ErrorEnvelope, Problem, refused
from inference.gateway.openapi import complete
from inference.gateway.passage import Passage
from inference.gateway.problems import NoSuchRoute, WrongMethod
from inference.gateway.product import batch
from inference.gateway.product.documents import ENDPOINTS
from inference.gateway.product.products import InvalidPayload
from inference.gateway.product.routes import add_prediction_routes
from inference.gateway.services import Services

ABOUT = """The product API of Arthaflow: predictions of finance models with their confidence, version and disclaimers,
explanations, experiments, and the management of models.

Every success is `{"status": "success", "data": ..., "metadata": ...}`; every failure `{"status": "error", "error":
{"code", "message", "details"}}`, or problem details (RFC 9457) where `Accept` names `application/problem+json`.
Predictions are for informational purposes only, not investment advice."""

REFUSALS = {
    400: "The request is malformed.",
    401: "There is no valid token.",
    403: "The caller may not do this.",
    404: "There is no such thing; the answer lists what there is.",
    408: "The body did not arrive in time.",
    409: "It contradicts what there is.",
    413: "The body is too large.",
    422: "A field is missing or wrong.",
    429: "The rate limit is reached; see Retry-After.",
    500: "A defect of ours.",
    502: "A model's server failed.",
    503: "A model, or this gateway, is busy or away; see Retry-After.",
    504: "A model did not answer in time.",
}


class NotServed(NoSuchRoute):
    """The documents list the endpoint, but no model answers it yet."""

    code = "MODEL_NOT_AVAILABLE"


def build_app(shared: Services, passage: Passage) -> FastAPI:
    """Return the application.

    Parameters
    ----------
    shared : Services
    passage : Passage
        The models' V2 endpoints; tells whether the process drains.
    """
    app: FastAPI = FastAPIOffline(  # its page needs no network; ReDoc's would ask for fonts
        redoc_url=None,
        title="Arthaflow product API",
        version=version("arthaflow"),
        description=ABOUT,
        responses={code: _refusal(text) for code, text in REFUSALS.items()},
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        redirect_slashes=False,
    )
    app.state.services, app.state.passage = shared, passage
    add_prediction_routes(app.router, shared.products, shared.predictions)
    app.include_router(batch.router)
    for router in routers():
        app.include_router(router)
    app.include_router(pages.router)
    app.state.allowed = AllowedMethods(app.routes)
    complete(app)
    app.add_exception_handler(ArthaflowError, _told)
    app.add_exception_handler(RequestValidationError, _told)
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(Exception, _told)
    return app


def routers() -> list[APIRouter]:
    """Return the router of every module below :mod:`inference.gateway.api`."""
    names = sorted(module.name for module in pkgutil.iter_modules(api.__path__))
    return [import_module(f"{api.__name__}.{name}").router for name in names]


def _refusal(text: str) -> dict[str, Any]:
    problem = {"schema": Problem.model_json_schema()}
    return {"description": text, "model": ErrorEnvelope, "content": {PROBLEM: problem}}


async def _told(request: Request, error: Exception) -> Response:
    found = as_error(request, error)
    request.scope["state"]["error"] = found
    headers, body = refused(found, request.scope["path"], request.headers.get("accept", "").encode())
    told = Response(body, found.status)
    told.raw_headers.extend(headers)
    return told


def as_error(request: Request, error: Exception) -> ArthaflowError:
    """Return what went wrong in the product's own terms."""
    if isinstance(error, ArthaflowError):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error)
    if isinstance(error, HTTPException):
        return _http(request, error)
    return InternalError("The gateway failed to answer.", "Report it with the request id.")


def _invalid(error: RequestValidationError) -> InvalidRequest:
    found = [
        {"field": ".".join(map(str, e["loc"])), "problem": str(e["msg"]), "type": str(e["type"])}
        for e in error.errors()
    ]
    first, origin = found[0], error.errors()[0]
    if first["type"] == "json_invalid":
        why = str((origin.get("ctx") or {}).get("error", ""))
        return InvalidRequest(f"the body is not JSON ({why})", "Send application/json.", "body")
    told = InvalidPayload(first["problem"], "See /docs for the shape.", path=first["field"])
    told.problem = f"{first['field']}: {first['problem']}."
    told.details["errors"] = found
    return told


def _http(request: Request, error: HTTPException) -> ArthaflowError:
    method, path = request.method, request.scope["path"]
    if error.status_code == 405:
        return WrongMethod(method, path, request.app.state.allowed.of(path))
    if error.status_code == 404:
        products = request.app.state.services.products
        known = any(e.path == path for e in ENDPOINTS)
        kind = NotServed if known else NoSuchRoute
        what = f"No model answers {method} {path} yet." if known else f"There is nothing at {path!r:.200}."
        missing = kind(what, "GET /api lists what there is, /docs describes it.")
        missing.details["available"] = products.routes()
        return missing
    told = ArthaflowError(str(error.detail))
    told.status = error.status_code  # type: ignore[misc]
    told.code = HTTPStatus(error.status_code).name
    return told
